"""Properties that every advantage has."""

import math
from collections.abc import Callable
from random import Random

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medix.advantages import Advantage, DrGRPOAdvantage, GRPOAdvantage, RLOOAdvantage
from medix.advantages.base import checked_advantages

ALL = pytest.mark.parametrize(
    "advantage", [GRPOAdvantage(), DrGRPOAdvantage(), RLOOAdvantage()], ids=lambda a: type(a).__name__
)
TOTALS = st.lists(st.floats(-10, 10).map(lambda x: round(x, 3)), min_size=2, max_size=8)
VALUES = st.sampled_from([0.1, 0.145, 0.3, 0.4825, 0.9, 0.955, 1.0, -7.3, 1e6])


def one_group(advantage: Advantage, totals: list[float]) -> torch.Tensor:
    return advantage(torch.tensor([totals], dtype=torch.float64))[0]


@ALL
@given(value=VALUES, size=st.integers(2, 16), dtype=st.sampled_from([torch.float32, torch.float64]))
def test_a_group_without_spread_gets_exactly_zero(
    advantage: Advantage, value: float, size: int, dtype: torch.dtype
) -> None:
    """In float32, mean and 1e-6 alone would give up to 0.056 here."""
    got = advantage(torch.full((1, size), value, dtype=dtype))
    assert got.dtype is torch.float64
    assert (got == 0).all()


@ALL
@given(totals=TOTALS, where=st.integers(0, 8))
def test_an_unscored_completion_is_nan_and_changes_nothing_else(
    advantage: Advantage, totals: list[float], where: int
) -> None:
    where = min(where, len(totals))
    got = one_group(advantage, [*totals[:where], math.nan, *totals[where:]])
    assert got[where].isnan()
    rest = torch.cat([got[:where], got[where + 1 :]])
    torch.testing.assert_close(rest, one_group(advantage, totals), rtol=1e-9, atol=1e-12)


@ALL
def test_a_single_scored_completion_gets_zero_and_an_unscored_group_nan(advantage: Advantage) -> None:
    got = advantage(torch.tensor([[math.nan, 0.7, math.nan], [math.nan] * 3]))
    assert got[0, 1].item() == 0
    assert got.isnan().tolist() == [[True, False, True], [True] * 3]


@ALL
@given(totals=TOTALS, shift=st.floats(-5, 5), order=st.randoms(use_true_random=False))
def test_shifting_changes_nothing_and_order_goes_along(
    advantage: Advantage, totals: list[float], shift: float, order: Random
) -> None:
    plain = one_group(advantage, totals)
    if max(totals) - min(totals) > 1e-2:
        shifted = one_group(advantage, [total + shift for total in totals])
        torch.testing.assert_close(shifted, plain, rtol=1e-6, atol=1e-9)
    places = list(range(len(totals)))
    order.shuffle(places)
    shuffled = one_group(advantage, [totals[place] for place in places])
    torch.testing.assert_close(shuffled, plain[places], rtol=1e-9, atol=1e-9)


@ALL
@given(totals=TOTALS)
def test_advantages_sum_to_zero_and_keep_the_order_of_totals(advantage: Advantage, totals: list[float]) -> None:
    got = one_group(advantage, totals)
    assert got.sum().item() == pytest.approx(0, abs=1e-6)
    best = totals.index(max(totals))
    assert got[best] == got.max()
    assert (got[best] >= 0).item()


@ALL
@given(groups=st.lists(st.lists(st.floats(-1, 1), min_size=4, max_size=4), min_size=1, max_size=4))
def test_groups_do_not_touch_each_other(advantage: Advantage, groups: list[list[float]]) -> None:
    together = advantage(torch.tensor(groups, dtype=torch.float64))
    for row, group in zip(together, groups, strict=True):
        assert row.equal(one_group(advantage, group))


@ALL
def test_one_completion_per_prompt_is_refused(advantage: Advantage) -> None:
    with pytest.raises(ValueError, match="completions_per_prompt"):
        advantage(torch.zeros(4, 1))


def _centred(totals: torch.Tensor) -> torch.Tensor:
    return totals - totals.nanmean(dim=1, keepdim=True)


class _Own(Advantage):
    def __init__(self, rule: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.rule = rule

    def __call__(self, totals: torch.Tensor) -> torch.Tensor:
        return self.rule(totals)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (lambda totals: totals - totals.mean(1, keepdim=True), r"returned \[nan, nan\] for the totals \[0.5, nan\]"),
        (lambda totals: _centred(totals).nan_to_num(0.0), r"returned \[0.0, 0.0\] for the totals \[0.5, nan\]"),
        (lambda totals: _centred(totals) / 0, r"returned \[inf, -inf\]"),
        (lambda totals: _centred(totals).flatten(), r"returned \(4,\) for totals of shape \(2, 2\)"),
        (lambda totals: _centred(totals).tolist(), "returned list for totals"),
    ],
    ids=["a group is lost", "unscored is trained on", "infinite", "shape", "no tensor"],
)
def test_an_advantage_of_ones_own_is_held_to_the_contract(
    rule: Callable[[torch.Tensor], torch.Tensor], told: str
) -> None:
    """Else a group with one unscored completion is not trained on at all, and nothing says so."""
    totals = torch.tensor([[1.0, 0.0], [0.5, math.nan]], dtype=torch.float64)
    with pytest.raises(ValueError, match=rf"model\.advantage: _Own {told}"):
        checked_advantages(_Own(rule), totals)
    assert checked_advantages(_Own(_centred), totals)[0].tolist() == [0.5, -0.5]
