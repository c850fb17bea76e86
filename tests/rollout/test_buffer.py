"""Groups that wait for an update."""

import io
import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from medix.rollout.buffer import GroupBuffer
from medix.types import (
    Completion,
    CompletionScores,
    ComponentScore,
    FinishReason,
    Prompt,
    RolloutGroup,
    Sample,
    ScoredGroup,
    Status,
    Verdict,
)


def group(index: int, version: int = 0) -> ScoredGroup:
    sample = Sample(
        id=f"case/{index}.a",
        question="Wo?\n日本",
        reference="left",
        modality="CT_SCAN",
        images=(bytes(range(256)) * 3, b"\x00"),
        source="slake",
        aliases=("sinister", "L"),
        case="case",
        metadata={"note": "x"},
    )
    completions = (
        Completion("<CT_SCAN>…", (5, 6, 7), (-0.1234567890123, -1e-30, -2.5), FinishReason.STOP),
        Completion("", (8,), (-0.1,), FinishReason.LENGTH),
    )
    judged = ComponentScore(1.0, Status.SCORED, "", Verdict(1.0, "exact/2", reply="YES", latency=0.25))
    down = ComponentScore(math.nan, Status.UNSCORED, "timeout", Verdict(None, "served/1", reason="timeout"))
    scores = (
        CompletionScores(0.1 + 0.2, {"judge": judged, "format": ComponentScore(0.0, Status.SCORED)}),
        CompletionScores(math.nan, {"judge": down, "format": ComponentScore(math.nan, Status.NOT_APPLICABLE)}),
    )
    return ScoredGroup(RolloutGroup(render(sample, index), completions, version), scores)


def render(sample: Sample, index: int) -> Prompt:
    return Prompt(sample, (1, 2, index), {"pixel_values": torch.ones(2, 3)}, index)


def _saved(state: dict[str, Any]) -> dict[str, Any]:
    """Through a checkpoint file and back."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    loaded: dict[str, Any] = torch.load(file, weights_only=True)
    return loaded


def test_groups_are_taken_in_the_order_they_came() -> None:
    buffer = GroupBuffer()
    buffer.extend([group(0), group(1)])
    buffer.extend([group(2)])
    assert (buffer.ready(3), buffer.ready(4)) == (True, False)
    assert [one.rollout.prompt.index for one in buffer.take(2)] == [0, 1]
    assert [one.rollout.prompt.index for one in buffer] == [2]
    assert len(buffer) == 1


def test_more_than_waits_cannot_be_taken() -> None:
    buffer = GroupBuffer()
    buffer.extend([group(0)])
    with pytest.raises(ValueError, match="2 groups were requested of 1"):
        buffer.take(2)
    assert len(buffer) == 1


def test_a_checkpoint_gives_every_group_back_exactly() -> None:
    buffer, resumed = GroupBuffer(), GroupBuffer()
    buffer.extend([group(3, version=7), group(4, version=8)])
    resumed.load_state_dict(_saved(buffer.state_dict()), render)
    for before, after in zip(buffer, resumed, strict=True):
        assert after.rollout.prompt.sample == before.rollout.prompt.sample
        assert after.rollout.prompt.token_ids == before.rollout.prompt.token_ids
        assert after.rollout.completions == before.rollout.completions
        assert after.rollout.policy_version == before.rollout.policy_version
        assert after.scores[0] == before.scores[0]
        # NaN is unequal to itself, so the unscored completion is compared as text.
        assert repr(after.scores) == repr(before.scores)
        assert torch.equal(after.rollout.prompt.inputs["pixel_values"], torch.ones(2, 3))


def test_the_tensors_of_images_are_not_in_the_checkpoint() -> None:
    buffer = GroupBuffer()
    buffer.extend([group(0)])

    def tensors(value: Any) -> int:
        if isinstance(value, dict):
            return sum(map(tensors, value.values()))
        if isinstance(value, list | tuple):
            return sum(map(tensors, value))
        return int(isinstance(value, torch.Tensor))

    assert tensors(buffer.state_dict()) == 0


def test_a_prompt_that_is_rendered_otherwise_is_refused() -> None:
    """Completions were written on other tokens: their log-probabilities would be those of another prompt."""
    buffer = GroupBuffer()
    buffer.extend([group(0)])
    with pytest.raises(ValueError, match=r"buffer: sample 'case/0\.a' is rendered to 4 tokens(.|\n)*Resume with"):
        GroupBuffer().load_state_dict(
            buffer.state_dict(), lambda sample, index: replace(render(sample, index), token_ids=(1, 2, 3, 4))
        )


def test_an_empty_buffer_round_trips() -> None:
    resumed = GroupBuffer()
    resumed.load_state_dict(_saved(GroupBuffer().state_dict()), render)
    assert len(resumed) == 0
