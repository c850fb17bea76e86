"""Aggregates by hand: a completion with losses 1, 2, 3 and one with loss 4 and two padded positions of 9."""

import warnings
from dataclasses import replace

import pytest
import torch

from medix.losses.aggregate import Aggregate, SequenceMean, SequenceSum, SequenceSumNorm, TokenMean
from medix.losses.base import LossInput
from tests.losses.cases import rows

VALUES = torch.tensor([[1.0, 2.0, 3.0], [4.0, 9.0, 9.0]], dtype=torch.float64)
MASK = [[True, True, True], [True, False, False]]


def batch() -> LossInput:
    return rows([[1.0] * 3] * 2, [0.0, 0.0], MASK)


def part(whole: LossInput, chosen: slice, width: int, longest: int | None) -> LossInput:
    return replace(
        whole,
        policy_logprobs=whole.policy_logprobs[chosen, :width],
        old_logprobs=whole.old_logprobs[chosen, :width],
        advantages=whole.advantages[chosen],
        completion_mask=whole.completion_mask[chosen, :width],
        longest=longest,
    )


@pytest.mark.parametrize(
    ("aggregate", "expected"),
    [
        (TokenMean(), (1 + 2 + 3 + 4) / 4),
        (SequenceMean(), (2 + 4) / 2),
        (SequenceSum(), (6 + 4) / 2),
        (SequenceSumNorm(), (6 + 4) / 2 / 3),
        (SequenceSumNorm(length=10), (6 + 4) / 2 / 10),
    ],
)
def test_two_completions(aggregate: Aggregate, expected: float) -> None:
    assert aggregate(VALUES, batch()).item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("aggregate", "weights"),
    [
        (TokenMean(), [[1 / 4] * 3, [1 / 4, 0, 0]]),
        (SequenceMean(), [[1 / 6] * 3, [1 / 2, 0, 0]]),
        (SequenceSum(), [[1 / 2] * 3, [1 / 2, 0, 0]]),
        (SequenceSumNorm(), [[1 / 6] * 3, [1 / 6, 0, 0]]),
    ],
)
def test_weight_of_each_token(aggregate: Aggregate, weights: list[list[float]]) -> None:
    values = VALUES.clone().requires_grad_()
    (slope,) = torch.autograd.grad(aggregate(values, batch()), values)
    torch.testing.assert_close(slope, torch.tensor(weights, dtype=torch.float64))


def test_a_micro_batch_cut_to_its_own_width_divides_by_the_longest_of_the_batch() -> None:
    """The second completion alone, one token wide: 4 / 2 / 3, not 4 / 2 / 1."""
    whole = batch()
    second = part(whole, slice(1, 2), width=1, longest=whole.longest)
    assert SequenceSumNorm()(VALUES[1:, :1], second).item() == pytest.approx(4 / 2 / 3)


def test_a_micro_batch_that_does_not_know_the_longest_is_warned_about() -> None:
    second = part(batch(), slice(1, 2), width=3, longest=None)
    with pytest.warns(UserWarning, match=r"micro-batch of 1 of 2 sequences.*LossInput\.longest"):
        assert SequenceSumNorm()(VALUES[1:], second).item() == pytest.approx(4 / 2 / 3)


def test_a_whole_batch_that_does_not_know_the_longest_is_as_wide_as_itself() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert SequenceSumNorm()(VALUES, replace(batch(), longest=None)).item() == pytest.approx(10 / 2 / 3)
        assert SequenceSumNorm(length=5)(VALUES, replace(batch(), longest=None)).item() == pytest.approx(10 / 2 / 5)


def test_length_must_be_positive() -> None:
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        SequenceSumNorm(length=0)


def test_a_generation_budget_takes_the_place_of_the_longest_and_a_length_that_of_both() -> None:
    """(6 + 4) / 2 / 20 with a budget of 20, whatever the longest completion of the batch; length 10 is the divisor."""
    by_budget, by_length = SequenceSumNorm(), SequenceSumNorm(length=10)
    for aggregate in (by_budget, by_length):
        aggregate.use_budget(20)
    assert by_budget(VALUES, batch()).item() == pytest.approx((6 + 4) / 2 / 20)
    assert by_length(VALUES, batch()).item() == pytest.approx((6 + 4) / 2 / 10)


def test_other_aggregates_have_no_use_for_a_budget() -> None:
    for aggregate in (TokenMean(), SequenceMean(), SequenceSum()):
        before = aggregate(VALUES, batch()).item()
        aggregate.use_budget(20)
        assert aggregate(VALUES, batch()).item() == before
