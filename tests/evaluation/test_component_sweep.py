"""Components asked about answers that people have judged."""

from typing import Any

import pytest

from medix.evaluation.component_sweep import sweep_component
from medix.evaluation.label_agreement import ThresholdSweep
from medix.evaluation.labels import Label
from medix.rewards.embedding import EmbeddingReward
from medix.rewards.format import FormatReward
from medix.types import JudgeQuestion
from tests.support.encoders import CountingEncoder


def _labels(*same: bool) -> list[Label]:
    return [Label(JudgeQuestion(f"q{n}", "left", "left"), value) for n, value in enumerate(same)]


def test_a_component_is_tried_at_several_thresholds_and_its_own() -> None:
    vectors = {"left lung": [1.0, 0.0], "lung on the left": [0.82, 0.57236], "right lung": [0.95, 0.31225]}
    encoder = CountingEncoder(vectors)
    labels = [
        Label(JudgeQuestion("where?", "left lung", answer), same)
        for answer, same in (("lung on the left", True), ("heart", False), ("right lung", False))
    ]
    sweep = sweep_component("embedding", EmbeddingReward(encoder, threshold=0.62), labels, lambda _: None)
    assert sorted(sweep.thresholds)[:4] == [0.5, 0.55, 0.6, 0.62]
    assert sweep.thresholds[0.8].accepted == [True, False, False]
    assert sweep.thresholds[0.85].accepted == [False, False, False]
    assert sweep.best == 0.5
    data = sweep.to_dict()
    assert (data["threshold"], data["sensitivity"]["estimate"], len(data["thresholds"])) == (0.5, 1.0, 11)
    assert [row[0] for row in sweep.table().rows][:2] == ["0.5 *", "0.55"]


def test_an_encoder_that_fails_is_an_error_and_no_table_of_what_the_guard_refuses() -> None:
    class Broken:
        def encode(self, texts: list[str], /) -> Any:
            raise OSError("no such model")

    labels = [Label(JudgeQuestion("where?", "left lung", answer), False) for answer in ("right lung", "heart")]
    with pytest.raises(ValueError, match=r"embedding: the encoder .* failed: OSError: no such model"):
        sweep_component("embedding", EmbeddingReward(Broken()), labels, lambda _: None)


def test_another_component_is_judged_by_its_value() -> None:
    sweep = sweep_component("format", FormatReward(), _labels(True, False), lambda _: None)
    assert isinstance(sweep, ThresholdSweep)
    assert len({tuple(found.accepted) for found in sweep.thresholds.values()}) == 1
