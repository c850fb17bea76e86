"""Deviations of groups: spread decides, unscored completions are not there."""

import math

import pytest
import torch

from medix.advantages.group import GroupDeviation

NAN = math.nan


def test_deviations_and_counts_of_three_groups() -> None:
    """Means 0.5 of (0, 1), 2 of (1, 3) with one unscored, and a lone 5."""
    group = GroupDeviation.of(torch.tensor([[0.0, 1.0, 0.5], [1.0, NAN, 3.0], [NAN, NAN, 5.0]]))
    assert group.deviation.tolist() == [[-0.5, 0.5, 0], [-1, 0, 1], [0, 0, 0]]
    assert group.count.tolist() == [[3], [2], [1]]
    assert group.scored.tolist() == [[True] * 3, [True, False, True], [False, False, True]]


def test_marking_puts_nan_where_there_was_no_total() -> None:
    marked = GroupDeviation.of(torch.tensor([[1.0, NAN, 3.0]])).mark_unscored(torch.ones(1, 3, dtype=torch.float64))
    assert marked.isnan().tolist() == [[False, True, False]]
    assert marked[0, 0].item() == 1


def test_half_precision_totals_are_compared_in_float64() -> None:
    assert GroupDeviation.of(torch.tensor([[0.0, 1.0]], dtype=torch.float16)).deviation.dtype is torch.float64


@pytest.mark.parametrize("completions", [0, 1])
def test_a_group_of_fewer_than_two_is_refused(completions: int) -> None:
    with pytest.raises(ValueError, match="completions_per_prompt must be at least 2"):
        GroupDeviation.of(torch.zeros(3, completions))


@pytest.mark.parametrize("value", [math.inf, -math.inf])
def test_an_infinite_total_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="infinite"):
        GroupDeviation.of(torch.tensor([[0.0, value]]))
