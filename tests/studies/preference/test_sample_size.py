"""The size of a study before it starts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.evaluation.statistics import wilson
from medix.studies.preference.sample_size import SampleSize


def test_known_intervals_and_their_numbers() -> None:
    """60 of 100: 50.2 to 69.1 %; 110 of 200: 48.1 to 61.7 %; 120 of 200: 53.1 to 66.6 %."""
    for wins, count, width in ((0.6, 100, 0.189), (0.55, 200, 0.136), (0.6, 200, 0.135)):
        assert 2 * SampleSize(wins, 0).half_width(count) == pytest.approx(width, abs=1e-3)


def test_ties_and_cases_cost_comparisons() -> None:
    """100 comparisons with a quarter of ties are 75; two of a case with correlation 0.5 count for 1/1.5: 50."""
    assert SampleSize(0.6, 0.25).independent(100) == 75
    assert SampleSize(0.6, 0.25, per_case=2, correlation=0.5).independent(100) == 50
    found = wilson(30, 50)
    size = SampleSize(0.6, 0.25, per_case=2, correlation=0.5)
    assert size.half_width(100) == pytest.approx((found.high - found.low) / 2)


@given(st.floats(0.01, 0.4), st.floats(0, 1), st.floats(0, 0.9))
def test_the_number_is_the_smallest_that_suffices(half: float, wins: float, ties: float) -> None:
    size = SampleSize(wins, ties)
    count = size.comparisons(half)
    assert size.half_width(count) <= half
    assert count == 1 or not size.half_width(count - 1) <= half


def test_the_power_of_the_exact_test() -> None:
    """Of six, only 0 and 6 are significant (p = 2/64): 0.9^6 + 0.1^6. By simulation where it is larger."""
    assert SampleSize(0.9, 0).power(6) == pytest.approx(0.9**6 + 0.1**6)
    assert SampleSize(0.5, 0).power(5) == 0
    from scipy.stats import binomtest

    wins = np.random.default_rng(0).binomial(75, 0.65, 2000)
    found = np.mean([binomtest(int(one), 75).pvalue <= 0.05 for one in wins])
    assert SampleSize(0.65, 0.25).power(100) == pytest.approx(found, abs=0.035)


def test_impossible_wishes_are_told() -> None:
    for fields, told in (
        ({"wins": 1.2}, r"--wins 1.2: must be between 0 and 1"),
        ({"ties": 1.0}, "--ties 1: "),
        ({"ties": float("nan")}, "--ties nan"),
        ({"correlation": -1}, "--correlation -1"),
        ({"per_case": 0}, "--per-case 0: must be 1 or more"),
    ):
        with pytest.raises(ValueError, match=told):
            SampleSize(**fields)
    for half in (0.0, 0.5, float("nan")):
        with pytest.raises(ValueError, match="--half-width"):
            SampleSize().comparisons(half)
