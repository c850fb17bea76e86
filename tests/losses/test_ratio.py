"""Ratios by hand: a row with log-ratios 0.3 and -0.1, and a padded third token."""

import math

import pytest
import torch

from medix.losses.base import LossInput
from medix.losses.ratio import Ratio, SequenceRatio, SequenceTokenRatio, TokenRatio

MASK = torch.tensor([[True, True, False]])


def measure(ratio: Ratio, differences: list[float]) -> tuple[list[float], list[float]]:
    """Log-ratios, and the gradient of the ratio of the first token to each log-probability."""
    old = torch.full((1, 3), -1.0, dtype=torch.float64)
    policy = (old + torch.tensor([differences], dtype=torch.float64)).requires_grad_()
    batch = LossInput.from_batch(policy, old, torch.zeros(1, dtype=torch.float64), MASK).cleaned()
    log_ratio = ratio(batch)
    (slope,) = torch.autograd.grad(log_ratio[0, 0].exp(), policy)
    return log_ratio[0].tolist(), slope[0].tolist()


def test_token_ratio_is_each_tokens_own() -> None:
    values, slope = measure(TokenRatio(), [0.3, -0.1, 5.0])
    assert values[:2] == pytest.approx([0.3, -0.1])
    assert slope == pytest.approx([math.exp(0.3), 0, 0])


def test_sequence_ratio_is_the_mean_and_moves_with_every_token() -> None:
    """Mean (0.3 - 0.1) / 2 = 0.1; each of the two tokens moves exp(0.1) by half of it."""
    values, slope = measure(SequenceRatio(), [0.3, -0.1, 5.0])
    assert values[:2] == pytest.approx([0.1, 0.1])
    assert slope == pytest.approx([math.exp(0.1) / 2, math.exp(0.1) / 2, 0])


def test_sequence_token_ratio_has_the_value_of_the_mean_and_the_gradient_of_the_token() -> None:
    values, slope = measure(SequenceTokenRatio(), [0.3, -0.1, 5.0])
    assert values[:2] == pytest.approx([0.1, 0.1])
    assert slope == pytest.approx([math.exp(0.1), 0, 0])


@pytest.mark.parametrize("ratio", [TokenRatio(), SequenceRatio(), SequenceTokenRatio()])
@pytest.mark.parametrize("sign", [1, -1])
def test_log_ratios_beyond_twenty_are_clamped_and_have_no_gradient(ratio: Ratio, sign: int) -> None:
    values, slope = measure(ratio, [sign * 900.0, sign * 900.0, 0.0])
    assert values[:2] == [sign * 20, sign * 20]
    assert slope == [0, 0, 0]


@pytest.mark.parametrize("ratio", [SequenceRatio(), SequenceTokenRatio()])
def test_a_row_with_nothing_trained_has_a_finite_ratio_and_no_gradient(ratio: Ratio) -> None:
    policy = torch.zeros(2, 2, requires_grad=True)
    mask = torch.tensor([[True, True], [False, False]])
    batch = LossInput.from_batch(policy, torch.ones(2, 2), torch.zeros(2), mask).cleaned()
    log_ratio = ratio(batch)
    (slope,) = torch.autograd.grad(log_ratio.sum(), policy)
    assert log_ratio[1].tolist() == [0, 0]
    assert slope[1].tolist() == [0, 0]
