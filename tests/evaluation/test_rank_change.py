"""Order within groups before and after, by hand and against scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from medix.evaluation.rank_change import correlation, rank_changes

NAN = math.nan
TOTALS = st.sampled_from([0.0, 0.145, 0.5, 0.6625, 1.0, NAN])


def _one(before: list[float], after: list[float]) -> tuple[float, float, int, int]:
    found = rank_changes(np.array([before], dtype=np.float64), np.array([after], dtype=np.float64))
    return float(found.tau[0]), float(found.best_changed[0]), int(found.reversed_pairs[0]), int(found.pairs[0])


def test_tau_of_three_completions_is_two_agreements_less_one_reversal_over_three() -> None:
    """1 2 3 against 1 3 2: 12 and 13 agree, 23 is reversed; (2 - 1) / 3. The best was the third, now the second."""
    assert _one([1, 2, 3], [1, 3, 2]) == (pytest.approx(1 / 3), 1.0, 1, 3)


def test_a_tie_that_is_broken_leaves_tau_below_one_and_the_best_among_the_best() -> None:
    """1 1 0 against 1 2 0: one pair was tied, two agree; 2 / sqrt(2 * 3). One of the two best still is: no change."""
    assert _one([1, 1, 0], [1, 2, 0]) == (pytest.approx(2 / math.sqrt(6)), 0.0, 0, 3)


def test_an_order_of_ties_has_no_correlation_and_its_best_cannot_change() -> None:
    tau, best_changed, reversed_pairs, _ = _one([0.5, 0.5], [0.1, 0.9])
    assert math.isnan(tau)
    assert best_changed == 0.0
    assert reversed_pairs == 0


def test_an_unscored_completion_is_in_no_pair() -> None:
    """Without the last, 0 1 against 0 1 agree; counted as 0 it would reverse the order."""
    assert _one([0, 1, 2], [0, 1, NAN]) == (1.0, 0.0, 0, 1)


def test_one_scored_completion_has_no_order() -> None:
    tau, best_changed, _, pairs = _one([0, 1], [0, NAN])
    assert math.isnan(tau)
    assert math.isnan(best_changed)
    assert pairs == 0


def test_rounding_is_no_order() -> None:
    """0.1 + 0.2 and 0.3 differ by 6e-17."""
    assert _one([0.1 + 0.2, 0.3, 0], [0.3, 0.1 + 0.2, 0])[0] == 1.0


@given(st.lists(st.tuples(TOTALS, TOTALS), min_size=2, max_size=9))
def test_tau_is_scipys_on_the_completions_with_both_totals(pairs: list[tuple[float, float]]) -> None:
    before, after = [a for a, _ in pairs], [b for _, b in pairs]
    known = [(a, b) for a, b in pairs if not math.isnan(a) and not math.isnan(b)]
    tau = _one(before, after)[0]
    expected = kendalltau([a for a, _ in known], [b for _, b in known]).statistic if len(known) > 1 else NAN
    assert tau == pytest.approx(expected, abs=1e-12, nan_ok=True)


@given(st.lists(TOTALS, min_size=2, max_size=9))
def test_nothing_changes_against_itself(totals: list[float]) -> None:
    tau, best_changed, reversed_pairs, _ = _one(totals, totals)
    assert math.isnan(tau) or tau == pytest.approx(1.0)
    assert math.isnan(best_changed) or best_changed == 0.0
    assert reversed_pairs == 0


def test_correlation_within_groups_leaves_out_what_prompts_earn() -> None:
    """Within each group one rises as the other falls; over both groups the easy prompt makes them rise together."""
    first, second = np.array([0.0, 1.0, 10.0, 11.0]), np.array([1.0, 0.0, 11.0, 10.0])
    assert correlation(first, second, np.array([0, 0, 1, 1])) == pytest.approx(-1.0)
    assert correlation(first, second) > 0.9


def test_correlation_without_spread_or_rows_is_not_a_number() -> None:
    flat, rising = np.array([1.0, 1.0, 1.0]), np.array([1.0, 2.0, 3.0])
    assert math.isnan(correlation(flat, rising))
    assert math.isnan(correlation(np.array([1.0, NAN]), np.array([NAN, 1.0])))
    assert math.isnan(correlation(rising, rising, np.array([0, 1, 2])))


def test_correlation_leaves_out_unscored_rows() -> None:
    assert correlation(np.array([1.0, 2.0, NAN, 4.0]), np.array([1.0, 2.0, -50.0, 4.0])) == pytest.approx(1.0)
