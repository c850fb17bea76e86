"""A suite in a plain evaluation script, beside other metrics in a MetricCollection."""

from typing import Any

import pytest
import torch
from torchmetrics import MeanMetric, MetricCollection
from torchmetrics.classification import BinaryAccuracy

from medix.judge.scripted import ScriptedJudge
from medix.rewards.format import FormatReward
from medix.rewards.judged import JudgeReward
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted

GOOD = "<CT_SCAN><think>r</think><answer>liver</answer>"
WRONG = "<CT_SCAN><think>r</think><answer>spleen</answer>"
DOWN = "<X_RAY><think>r</think><answer>cyst</answer>"


def suite_of(**replies: str | None) -> RewardSuite:
    parts = {"judge": Weighted(JudgeReward(), 0.5), "format": Weighted(FormatReward(), 0.5)}
    return RewardSuite(parts, judge=ScriptedJudge(replies={"spleen": "NO", "cyst": None, **replies}))


def columns(*completions: str) -> dict[str, Any]:
    rows = len(completions)
    return {
        "completions": list(completions),
        "references": ["liver"] * rows,
        "questions": ["Which organ?"] * rows,
        "modalities": [text[1 : text.index(">")] for text in completions],
    }


def others(*correct: int) -> dict[str, Any]:
    return {"preds": torch.tensor(correct), "target": torch.ones(len(correct), dtype=torch.long)}


def judge_of(suite: RewardSuite) -> Any:
    return suite.components["judge"].judge  # type: ignore[attr-defined]


def test_a_script_gets_values_per_modality_beside_those_of_another_metric() -> None:
    """Judge and format: 1 and 1, 0 and 1, unscored. Each metric takes the arguments it names."""
    metrics = MetricCollection({"reward": suite_of(), "accuracy": BinaryAccuracy()}, prefix="test/")
    metrics.update(**columns(GOOD, WRONG), **others(1, 0))
    metrics.update(**columns(DOWN), **others(1))
    means = metrics.compute()
    assert means["test/reward/total"] == means["test/reward/total/CT_SCAN"] == 0.75
    assert means["test/reward/judge/CT_SCAN"] == 0.5
    assert means["test/reward/total/X_RAY"].isnan()
    assert means["test/reward/format/X_RAY"] == 1.0
    assert means["test/reward/judge/unscored"] == pytest.approx(1 / 3)
    assert means["test/accuracy"] == pytest.approx(2 / 3)


def test_reset_forgets_the_rows_of_the_total_and_of_every_component() -> None:
    metrics = MetricCollection({"reward": suite_of(), "mean": MeanMetric()})
    metrics.update(**columns(WRONG), value=torch.tensor(1.0))
    metrics.reset()
    assert metrics.compute()["reward/total"].isnan()
    metrics.update(**columns(GOOD), value=torch.tensor(3.0))
    means = metrics.compute()
    assert means["reward/total"] == means["reward/judge"] == means["reward/format"] == 1.0
    assert means["mean"] == 3.0


def test_forward_gives_the_means_of_its_rows_and_adds_them() -> None:
    metrics = MetricCollection({"reward": suite_of()})
    metrics.update(**columns(GOOD))
    assert metrics(**columns(WRONG))["reward/total"] == 0.5
    assert metrics.compute()["reward/total"] == 0.75


def test_a_clone_counts_its_own_rows_and_asks_the_same_judge() -> None:
    training = MetricCollection({"reward": suite_of()}, prefix="train/")
    validation = training.clone(prefix="val/")
    training.update(**columns(GOOD))
    validation.update(**columns(WRONG))
    assert training.compute()["train/reward/total"] == 1.0
    assert training.compute()["train/reward/judge"] == 1.0
    assert validation.compute()["val/reward/total"] == 0.5
    assert validation.compute()["val/reward/judge"] == 0.0
    original, copy = training["reward"], validation["reward"]
    assert isinstance(original, RewardSuite)
    assert isinstance(copy, RewardSuite)
    assert judge_of(copy) is judge_of(original)
    assert len(judge_of(original).asked) == 2


@pytest.mark.parametrize("batch", [(GOOD,), (DOWN,), ()], ids=["same", "unscored", "empty"])
def test_two_suites_that_begin_alike_are_not_taken_for_one(batch: tuple[str, ...]) -> None:
    """A collection updates one of several metrics with equal states, and shares its state with the others.

    Two judges agree on the first batch and differ on the second.
    """
    metrics = MetricCollection({"strict": suite_of(), "lenient": suite_of(spleen="YES")})
    metrics.update(**columns(*batch))
    metrics.update(**columns(WRONG, WRONG))
    means = metrics.compute()
    scored = batch.count(GOOD)
    assert means["strict_reward/total"] == pytest.approx((scored + 1.0) / (scored + 2))
    assert means["lenient_reward/total"] == 1.0
    assert means["lenient_reward/judge"] == 1.0
    assert metrics.compute_groups == {0: ["lenient"], 1: ["strict"]}
