"""Importance corrections, by hand and against public code."""

import math
from typing import Any

import pytest
import torch

from medix.losses.base import LossInput
from medix.losses.dapo import DAPOLoss
from medix.losses.importance import ImportanceCorrection, MaskedImportance, TruncatedImportance
from tests.losses.cases import RESULTS, golden_batch, gradient, measure, rows


def batch(*weights: float) -> LossInput:
    """On-policy tokens (ratio 1, A = 1) that the trainer would sample this much more often than the engine did."""
    rollout = -1 - torch.tensor([weights], dtype=torch.float64).log()
    return rows([[1.0] * len(weights)], [1.0], rollout_logprobs=rollout)


@pytest.mark.parametrize(
    ("importance", "expected"),
    [
        (TruncatedImportance(low=0.5, high=2.0), [0.5, 0.8, 1.5, 2.0]),
        (TruncatedImportance(low=0.0, high=2.0), [0.1, 0.8, 1.5, 2.0]),
        (MaskedImportance(low=0.5, high=2.0), [0.0, 0.8, 1.5, 0.0]),
    ],
)
def test_each_token_is_weighted_within_the_bounds(importance: ImportanceCorrection, expected: list[float]) -> None:
    """Weights 0.1, 0.8, 1.5 and 7; the loss is minus their mean, the denominator counts every token."""
    whole = batch(0.1, 0.8, 1.5, 7.0)
    output = DAPOLoss(importance=importance)(whole)
    assert output.loss.item() == pytest.approx(-sum(expected) / 4)
    assert gradient(output, whole)[0].tolist() == pytest.approx([-weight / 4 for weight in expected])
    assert output.metrics["importance_weight"].item() == pytest.approx(sum(expected) / 4)
    bounded = 1 if importance.low == 0 else 2
    assert output.metrics["importance_bounded"].item() == pytest.approx(bounded / 4)


@pytest.mark.parametrize(
    ("row", "importance"),
    [
        ("openrlhf.ppo token TIS[0.5,1.05]", TruncatedImportance(0.5, 1.05)),
        ("openrlhf.ppo token icepop[0.95,1.05]", MaskedImportance(0.95, 1.05)),
        ("trl.dapo TIS token_truncate C=1.05", TruncatedImportance(high=1.05)),
    ],
)
def test_golden(row: str, importance: ImportanceCorrection) -> None:
    assert measure(DAPOLoss(importance=importance), golden_batch()) == pytest.approx(RESULTS[row], abs=1e-6)


@pytest.mark.parametrize("importance", [TruncatedImportance(), MaskedImportance()])
def test_an_engine_that_agrees_with_the_trainer_changes_nothing(importance: ImportanceCorrection) -> None:
    whole = batch(1.0, 1.0)
    assert DAPOLoss(importance=importance)(whole).loss.item() == pytest.approx(DAPOLoss()(whole).loss.item())


def test_an_impossible_token_of_the_engine_gives_a_finite_weight() -> None:
    whole = batch(1.0, math.inf)  # rollout log-probability -inf
    output = DAPOLoss(importance=TruncatedImportance(high=2.0))(whole)
    assert output.loss.item() == pytest.approx(-(1 + 2) / 2)
    assert gradient(output, whole).isfinite().all()


def test_missing_rollout_logprobs_are_asked_for_by_name() -> None:
    loss = DAPOLoss(importance=TruncatedImportance())
    assert loss.needs_rollout_logprobs
    with pytest.raises(ValueError, match=r"rollout_logprobs is None.*importance: null"):
        loss(rows([[1.0]], [1.0]))


@pytest.mark.parametrize("bounds", [{"low": -0.1}, {"low": 3.0}, {"high": math.inf}])
@pytest.mark.parametrize("kind", [TruncatedImportance, MaskedImportance])
def test_impossible_bounds_are_refused(kind: Any, bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 <= low < high"):
        kind(**{"low": 0.5, "high": 2.0, **bounds})
