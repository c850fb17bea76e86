"""Importance corrections, by hand and against public code."""

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medix.losses.base import LossInput
from medix.losses.dapo import DAPOLoss
from medix.losses.importance import (
    ImportanceCorrection,
    MaskedImportance,
    SequenceMaskedImportance,
    TruncatedImportance,
)
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


def test_a_completion_stays_or_leaves_by_the_mean_of_its_weights() -> None:
    """Bounds 1/2 and 2, cap 3, padded to three tokens.

    4, 1/4, 1: mean 1, stays, its first token counts 3. 1/2, 1/8: mean 1/4, leaves. 4, 2: mean 2.83, leaves. 2 alone
    is on the bound and stays. 8 tokens: the loss is -(3 + 1/4 + 1 + 2) / 8.
    """
    weights = [[4.0, 0.25, 1.0], [0.5, 0.125], [4.0, 2.0], [2.0]]
    mask = torch.tensor([[column < len(row) for column in range(3)] for row in weights])
    padded = torch.tensor([row + [7.0] * (3 - len(row)) for row in weights], dtype=torch.float64)
    policy = torch.full((4, 3), -1.0, dtype=torch.float64, requires_grad=True)
    whole = LossInput.from_batch(
        policy, policy.detach().clone(), torch.ones(4, dtype=torch.float64), mask, rollout_logprobs=-1 - padded.log()
    )
    output = DAPOLoss(importance=SequenceMaskedImportance(cap=3))(whole)
    kept = [[3.0, 0.25, 1.0], [0.0] * 3, [0.0] * 3, [2.0, 0.0, 0.0]]
    assert output.loss.item() == pytest.approx(-(3 + 0.25 + 1 + 2) / 8)
    expected = -torch.tensor(kept, dtype=torch.float64) / 8
    torch.testing.assert_close(gradient(output, whole), expected)
    assert output.metrics["importance_bounded"].item() == pytest.approx((1 + 2 + 2) / 8)


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6), st.integers(1, 4))
def test_a_bound_on_the_mean_means_the_same_for_a_completion_repeated(weights: list[float], times: int) -> None:
    mask = torch.ones(1, len(weights) * times, dtype=torch.bool)
    importance = SequenceMaskedImportance()
    once = importance.bound(torch.tensor([weights], dtype=torch.float64), mask[:, : len(weights)])
    mean = math.exp(sum(math.log(weight) for weight in weights) / len(weights))
    if min(abs(mean - 0.5), abs(mean - 2)) > 1e-9:
        more = importance.bound(torch.tensor([weights * times], dtype=torch.float64), mask)
        assert torch.equal(more.value, once.value.repeat(1, times))
        assert bool(once.value.any()) == (0.5 <= mean <= 2)


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


@pytest.mark.parametrize("importance", [TruncatedImportance(), MaskedImportance(), SequenceMaskedImportance()])
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
@pytest.mark.parametrize("kind", [TruncatedImportance, MaskedImportance, SequenceMaskedImportance])
def test_impossible_bounds_are_refused(kind: Any, bounds: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="0 <= low < high"):
        kind(**{"low": 0.5, "high": 2.0, **bounds})


@pytest.mark.parametrize("cap", [0.5, math.inf, math.nan])
def test_an_impossible_cap_is_refused(cap: float) -> None:
    with pytest.raises(ValueError, match="cap must be a number from 1"):
        SequenceMaskedImportance(cap=cap)
