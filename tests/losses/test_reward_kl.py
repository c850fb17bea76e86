"""The KL penalty on totals, by hand."""

import math

import pytest
import torch

from medix.losses.coefficient import AdaptiveCoefficient, FixedCoefficient
from medix.losses.reward_kl import RewardKL

# Two tokens of Δ = log 2 and log 4, one of Δ = -log 2 with two padded positions, and a row with nothing trained.
POLICY = torch.tensor([[2.0, 4.0, 1.0], [0.5, 9.0, 9.0], [9.0, 9.0, 9.0]]).log().requires_grad_()
REFERENCE = torch.tensor([[0.0, 0.0, 0.0], [0.0, math.nan, math.inf], [0.0, 0.0, 0.0]])
MASK = torch.tensor([[True, True, False], [True, False, False], [False, False, False]])


def test_a_completion_pays_the_sum_over_its_tokens() -> None:
    """k1: log 2 + log 4 = 3 log 2, and -log 2; times 0.1.

    k3: (1/2 - 1 + log 2) + (1/4 - 1 + log 4), and 2 - 1 - log 2.
    """
    paid = RewardKL("k1", FixedCoefficient(0.1))(POLICY, REFERENCE, MASK)
    assert paid.tolist() == pytest.approx([0.3 * math.log(2), -0.1 * math.log(2), 0])
    paid = RewardKL("k3", FixedCoefficient(1.0))(POLICY, REFERENCE, MASK)
    assert paid.tolist() == pytest.approx([3 * math.log(2) - 1.25, 1 - math.log(2), 0])


def test_the_penalty_is_float64_without_gradient_and_keeps_unscored_totals_unscored() -> None:
    paid = RewardKL("k1", FixedCoefficient(0.1))(POLICY, REFERENCE, MASK)
    assert paid.dtype is torch.float64
    assert not paid.requires_grad
    totals = torch.tensor([[1.0, math.nan, 0.5]], dtype=torch.float64)
    assert (totals - paid.view_as(totals)).isnan().tolist() == [[False, True, False]]


def test_divergence_is_the_mean_over_tokens_and_drives_the_coefficient() -> None:
    """(log 2 + log 4 - log 2) / 3; far above the target, so the weight grows by 0.2 · 50 / 100."""
    penalty = RewardKL("k1", AdaptiveCoefficient(1.0, target=0.01, horizon=100))
    kl = penalty.divergence(POLICY, REFERENCE, MASK).item()
    assert kl == pytest.approx(math.log(4) / 3)
    before = penalty(POLICY, REFERENCE, MASK)
    penalty.update(kl, sequences=50)
    torch.testing.assert_close(penalty(POLICY, REFERENCE, MASK), 1.1 * before)
    resumed = RewardKL("k1", AdaptiveCoefficient(1.0, target=0.01, horizon=100))
    resumed.load_state_dict(penalty.state_dict())
    assert resumed.coefficient.value == penalty.coefficient.value


def test_an_unknown_estimator_is_refused() -> None:
    with pytest.raises((ValueError, TypeError), match="mse"):
        RewardKL("mse", FixedCoefficient(0.1))  # type: ignore[arg-type]
