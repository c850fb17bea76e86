"""Groups that wait for an update."""

import io
import itertools
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
import torch

from medix.rollout import buffer as buffer_file
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
from tests.support.thread_ranks import ThreadRanks


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
    judged = ComponentScore(1.0, Status.SCORED, "", Verdict(1.0, "exact/4", reply="YES", latency=0.25))
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


def indices(groups: Iterable[ScoredGroup]) -> list[int]:
    return [one.rollout.prompt.index for one in groups]


def test_groups_are_taken_in_the_order_they_came() -> None:
    buffer = GroupBuffer()
    buffer.extend([group(0), group(1)])
    buffer.extend([group(2)])
    assert indices(buffer.take(1, 2, render)) == [0, 1]
    assert indices(buffer) == [2]
    assert len(buffer) == 1


def test_more_than_waits_cannot_be_taken() -> None:
    buffer = GroupBuffer()
    buffer.extend([group(0)])
    with pytest.raises(ValueError, match="2 groups were requested of 1"):
        buffer.take(2, 2, render)
    assert len(buffer) == 1


def test_what_is_taken_at_once_is_not_rendered_again_and_what_waits_holds_no_tensors() -> None:
    rendered: list[int] = []

    def again(sample: Sample, index: int) -> Prompt:
        rendered.append(index)
        return render(sample, index)

    buffer = GroupBuffer()
    buffer.extend([group(0), group(1), group(2)])
    (first,) = buffer.take(1, 1, again)
    assert (rendered, first.rollout.prompt.inputs.keys()) == ([], {"pixel_values"})
    assert [dict(one.rollout.prompt.inputs) for one in buffer] == [{}, {}]
    (second,) = buffer.take(1, 1, again)
    assert rendered == [1]
    assert torch.equal(second.rollout.prompt.inputs["pixel_values"], torch.ones(2, 3))
    assert repr(second) == repr(group(1))


def test_a_prompt_without_images_is_never_rendered_again() -> None:
    text = group(0)
    text = replace(text, rollout=replace(text.rollout, prompt=Prompt(Sample("t", "?", "a", None), (1,), {}, 0)))
    buffer = GroupBuffer()
    buffer.extend([text])
    assert buffer.take(1, 1, lambda sample, index: pytest.fail("rendered"))[0] == text


def test_a_prompt_that_is_rendered_otherwise_when_its_turn_comes_is_refused() -> None:
    buffer = GroupBuffer()
    buffer.extend([group(0), group(1)])
    buffer.take(1, 1, render)
    with pytest.raises(ValueError, match=r"buffer: sample 'case/1\.a' is rendered to 1 tokens"):
        buffer.take(1, 1, lambda sample, index: replace(render(sample, index), token_ids=(9,)))


@pytest.mark.parametrize(("allowed", "kept"), [(0, [5]), (1, [4, 5]), (3, [2, 3, 4, 5])])
def test_groups_of_weights_that_are_too_old_are_discarded(allowed: int, kept: list[int]) -> None:
    buffer = GroupBuffer(max_staleness=allowed)
    buffer.extend(group(version, version) for version in range(6))
    assert indices(buffer.discard(5)) == [version for version in range(6) if version not in kept]
    assert indices(buffer) == kept
    assert buffer.discard(5) == []


@pytest.mark.parametrize("logprobs", [(), (-0.5, -0.5), (-0.5, math.nan, -0.5), (-0.5, -math.inf, -0.5)])
def test_older_groups_without_recorded_log_probabilities_are_discarded(logprobs: tuple[float, ...]) -> None:
    """Nothing says how likely the weights that sampled them were to do so; of the present weights the policy itself."""
    unknown = group(0, version=4)
    first, second = unknown.rollout.completions
    unknown = replace(
        unknown, rollout=replace(unknown.rollout, completions=(replace(first, logprobs=logprobs), second))
    )
    buffer = GroupBuffer()
    buffer.extend([unknown, group(1, version=4)])
    assert buffer.discard(4) == []
    assert indices(buffer.discard(5)) == [0]


def test_a_negative_age_is_refused_with_its_key() -> None:
    with pytest.raises(ValueError, match=r"model\.max_staleness: -1 must be 0 or more"):
        GroupBuffer(-1)


SHARES = (1.0, 0.5, 0.1, 0.0)
"""Of the groups of each rank, those with signal."""
READ, TRAINED, UPDATE = 24, 16, 8


def _steps(buffer: GroupBuffer, mine: Callable[[int], bool], total: Callable[[int], int]) -> list[list[int]]:
    """What a rank trains in each of 12 steps, and asserts that what waits is bounded.

    Args:
        buffer: of the rank.
        mine: whether the rank reads the sample with this index.
        total: sums a number over ranks.
    """
    taken, position = [], 0
    for version in range(12):
        while True:
            batch = range(position, position + READ)
            buffer.extend(group(index, version) for index in batch if mine(index) and _has_signal(index))
            position += READ
            buffer.discard(version)
            if total(len(buffer)) >= TRAINED:
                break
        taken.append(indices(buffer.take(UPDATE, TRAINED, render)))
        assert total(len(buffer)) <= (buffer.max_staleness + 1) * READ
    return taken


def _has_signal(index: int) -> bool:
    """Of the prompts of each of four ranks the share that ``SHARES`` says, the same on every number of ranks."""
    return index // 4 % 10 < 10 * SHARES[index % 4]


@pytest.mark.parametrize("max_staleness", [0, 1])
def test_four_ranks_with_uneven_signal_train_what_one_does(max_staleness: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank 0 finds signal in all of its groups, rank 3 in none: each trains 4 groups of every update of 8."""
    alone = _steps(GroupBuffer(max_staleness), lambda index: True, lambda count: count)
    ranks = ThreadRanks(4, buffer_file, monkeypatch)
    dealt = ranks.run(
        lambda rank: _steps(
            GroupBuffer(max_staleness), lambda index: index % 4 == rank, lambda count: sum(ranks.gather(count))
        )
    )
    again = ranks.run(
        lambda rank: _steps(
            GroupBuffer(max_staleness), lambda index: index % 4 == rank, lambda count: sum(ranks.gather(count))
        )
    )
    assert dealt == again
    share = UPDATE // 4
    for step, wanted in enumerate(alone):
        for number in range(TRAINED // UPDATE):
            parts = [own[step][number * share : (number + 1) * share] for own in dealt]
            assert all(len(part) == share for part in parts)
            assert sorted(itertools.chain(*parts)) == wanted[number * UPDATE : (number + 1) * UPDATE]


def test_a_group_of_another_rank_arrives_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(rank: int) -> list[ScoredGroup]:
        buffer = GroupBuffer()
        buffer.extend([group(3, version=7), group(4, version=7)] if rank == 0 else [])
        taken = buffer.take(2, 2, render)
        assert len(buffer) == 0
        return taken

    first, second = ThreadRanks(2, buffer_file, monkeypatch).run(take)
    assert [repr(first), repr(second)] == [repr([group(3, version=7)]), repr([group(4, version=7)])]


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
        assert after.rollout.prompt.inputs == {}
    for after in resumed.take(1, 2, render):
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


def test_images_that_are_rendered_to_other_pixels_are_refused() -> None:
    """The tokens may be the same, as with another background; without a digest, as once written, they pass."""
    buffer = GroupBuffer()
    buffer.extend([group(0)])
    state = buffer.state_dict()

    def other(sample: Sample, index: int) -> Prompt:
        prompt = render(sample, index)
        return replace(prompt, inputs={"pixel_values": prompt.inputs["pixel_values"] + 1})

    buffer.take(1, 0, render)  # what is left gives up its tensors
    state = buffer.state_dict()
    assert state["groups"][0]["digest"]
    with pytest.raises(ValueError, match=r"sample 'case/0.a' are rendered to other pixels .*max_pixels.*background"):
        GroupBuffer().load_state_dict(state, other)
    with pytest.raises(ValueError, match="other pixels"):
        buffer.take(1, 1, other)
    state["groups"][0].pop("digest")
    GroupBuffer().load_state_dict(state, other)
