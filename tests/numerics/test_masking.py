"""Masked sums: what is masked is not there, whatever it is."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medix.numerics.masking import masked_mean, masked_sum, prefix_mask, row_mean, row_sum, zero_outside

VALUES = [[1.0, 2.0, 4.0], [8.0, 5.0, 5.0], [7.0, 7.0, 7.0]]
MASK = torch.tensor([[True, True, True], [True, False, False], [False, False, False]])


def test_sums_and_means_of_three_rows() -> None:
    """Rows keep 1 + 2 + 4 = 7, 8 and nothing: sum 15 over 4 positions, row means 7/3, 8 and 0."""
    values = torch.tensor(VALUES)
    assert masked_sum(values, MASK).item() == 15
    assert masked_mean(values, MASK).item() == 15 / 4
    assert row_sum(values, MASK).tolist() == [7, 8, 0]
    assert row_mean(values, MASK).tolist() == pytest.approx([7 / 3, 8, 0])


def test_the_mean_of_nothing_is_nan() -> None:
    assert math.isnan(masked_mean(torch.ones(2), torch.zeros(2, dtype=torch.bool)).item())


def test_prefix_mask_is_true_on_the_first_tokens_of_each_row() -> None:
    assert prefix_mask(torch.tensor([3, 1, 0]), 3).equal(MASK)


@given(bad=st.sampled_from([math.nan, math.inf, -math.inf]))
def test_masked_values_reach_neither_value_nor_gradient(bad: float) -> None:
    clean = torch.tensor(VALUES, requires_grad=True)
    dirty = torch.where(MASK, torch.tensor(VALUES), bad).requires_grad_()
    for values in (clean, dirty):
        (
            row_mean(values, MASK).sum() + masked_mean(values, MASK) + zero_outside(values, MASK).square().sum()
        ).backward()
    assert dirty.grad is not None
    assert clean.grad is not None
    assert dirty.grad.equal(clean.grad)
    assert not dirty.grad[~MASK].any()
