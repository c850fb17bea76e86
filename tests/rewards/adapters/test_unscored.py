"""What stands for an unscored row where only numbers are known."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medix.rewards.adapters.unscored import UnscoredRule
from medix.rewards.base import ComponentScores
from medix.rewards.scoring import UnscoredLimitError
from medix.rewards.table import RewardTable
from medix.types import Status


def table_of(*totals: float | None, normalised: list[float] | None = None) -> RewardTable:
    values = torch.tensor([math.nan if total is None else total for total in totals], dtype=torch.float64)
    status = tuple(Status.UNSCORED if total is None else Status.SCORED for total in totals)
    reason = tuple("judge: down" if total is None else "" for total in totals)
    signal = None if normalised is None else torch.tensor(normalised, dtype=torch.float64)
    return RewardTable(values, status, reason, {"a": ComponentScores(values, status, reason)}, signal)


def rule(value: float | None = None, limit: float = 0.2, window: int = 4) -> UnscoredRule:
    return UnscoredRule("Mine", value, limit, window)


def test_scored_rows_keep_their_totals_or_what_a_normalisation_made_of_them() -> None:
    assert rule()(table_of(1.0, 0.25)) == [1.0, 0.25]
    assert rule()(table_of(1.0, 0.0, normalised=[0.7, -0.7])) == [0.7, -0.7]
    assert rule()(table_of()) == []


def test_without_a_stated_value_the_first_unscored_row_stops_the_run() -> None:
    message = r"Mine: 2 of 3 .* only numbers.*\n  2 x judge: down\n.*Mine\(suite, unscored=\.\.\.\)"
    with pytest.raises(UnscoredLimitError, match=message):
        rule()(table_of(1.0, None, None))


def test_a_stated_value_stands_for_an_unscored_row() -> None:
    assert rule(0.4, limit=0.5)(table_of(1.0, None)) == [1.0, 0.4]
    assert rule(0.0, limit=0.5)(table_of(None, 1.0)) == [0.0, 1.0]  # a zero, because someone said so


def test_too_many_unscored_rows_among_the_last_stop_the_run_all_the_same() -> None:
    """Limit 0.2 of 4: one is 0.25 of them, which is told when the window is full."""
    checked = rule(0.5)
    for total in (1.0, None, 1.0):
        checked(table_of(total))
    with pytest.raises(UnscoredLimitError, match=r"Mine: 1 of the last 4 .*max_unscored=0\.2.*\n  1 x judge: down"):
        checked(table_of(1.0))


def test_a_row_leaves_the_window() -> None:
    checked = rule(0.5, limit=0.25)
    for total in (None, 1.0, 1.0, 1.0, None, 1.0, 1.0, 1.0):
        checked(table_of(total))


def test_a_batch_larger_than_the_window_is_judged_whole() -> None:
    totals = [1.0] * 20 + [None] * 4
    assert rule(0.5)(table_of(*totals)) == [1.0] * 20 + [0.5] * 4


@given(st.lists(st.one_of(st.floats(0, 1), st.none()), max_size=8), st.floats(-1, 1))
def test_no_row_becomes_another_number_than_its_own_or_the_stated_one(totals: list[float | None], value: float) -> None:
    rewards = rule(value, limit=1.0)(table_of(*totals))
    assert rewards == [value if total is None else total for total in totals]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_stated_value_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=f"Mine: unscored={value}"):
        rule(value)


def test_a_window_without_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="window=0"):
        rule(window=0)
