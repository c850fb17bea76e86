"""Shares that are clustered by case and by rater."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t
from statsmodels.regression.linear_model import OLS

from medix.evaluation.crossed_clusters import crossed_proportion
from medix.evaluation.statistics import proportion, wilson


def test_five_raters_of_five_cases_by_hand() -> None:
    """Rater 1 says 1 on all five cases, the others 0 on all: p = 1/5 of 25.

    Sums of residuals by case: 1 - 5/5 = 0 each, error 0. By rater: 4, -1, -1, -1, -1, squares 20, times 5/4, over 625:
    0.04. By both: 5 · 0.64 + 20 · 0.04 = 4, times 25/24, over 625: 1/150. The sum 0 + 0.04 - 0.00667 is below the
    larger of the two, which counts: e² = 0.04, n = 0.16 / 0.04 = 4.
    """
    values = [float(rater == 0) for _ in range(5) for rater in range(5)]
    cases, raters = [case for case in range(5) for _ in range(5)], list(range(5)) * 5
    found = crossed_proportion(values, cases, raters)
    assert found.error**2 == pytest.approx(0.04)
    square = float(t.ppf(0.975, 4)) ** 2
    half = math.sqrt(square * (0.16 / 4 + square / 64)) / (1 + square / 4)
    centre = (0.2 + square / 8) / (1 + square / 4)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))
    assert (found.method, found.clusters, found.count) == ("crossed wilson", 5, 25)


def test_the_error_is_that_of_statsmodels() -> None:
    draw = np.random.default_rng(4)
    cases, raters = draw.integers(0, 40, 300), draw.integers(0, 9, 300)
    chance = np.clip(0.5 + draw.normal(0, 0.2, 40)[cases] + draw.normal(0, 0.2, 9)[raters], 0, 1)
    values = (draw.random(300) < chance).astype(float)
    fitted = OLS(values, np.ones(300)).fit(
        cov_type="cluster", cov_kwds={"groups": np.stack([cases, raters], axis=1), "use_correction": True}
    )
    found = crossed_proportion(values.tolist(), cases.tolist(), raters.tolist())
    assert found.error == pytest.approx(float(fitted.bse[0]), rel=1e-9)


def test_with_four_raters_the_interval_is_that_by_case() -> None:
    values, cases, raters = [1.0, 0, 1, 1, 0, 1, 1, 1], [0, 0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3] * 2
    assert crossed_proportion(values, cases, raters) == proportion(values, cases)


def test_raters_who_all_prefer_one_model_tell_as_much_as_there_are_raters() -> None:
    """Fifty cases, five raters, all 1: with the effective number 5 the lower end is below that of 250 ratings."""
    found = crossed_proportion([1.0] * 250, [case for case in range(50) for _ in range(5)], list(range(5)) * 50)
    assert found.low < wilson(5, 5).low < wilson(250, 250).low
    assert found.high == 1.0


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 8), st.integers(0, 7)), min_size=1))
def test_ends_hold_the_estimate_and_are_shares(rows: list[tuple[float, int, int]]) -> None:
    found = crossed_proportion(*(list(column) for column in zip(*rows, strict=True)))  # type: ignore[arg-type]
    assert math.isnan(found.low) or 0 <= found.low <= found.estimate + 1e-12 <= found.high + 2e-12 <= 1 + 3e-12


def test_intervals_hold_the_truth_although_raters_differ() -> None:
    """Eight raters with tastes of their own: by case alone the interval holds the truth far less often."""
    draw = np.random.default_rng(5)
    times, cases, raters = 1000, np.repeat(np.arange(60), 8), np.tile(np.arange(8), 60)
    held = held_by_case = 0
    for _ in range(times):
        chance = np.clip(0.5 + draw.uniform(-0.3, 0.3, 60)[cases] + draw.uniform(-0.3, 0.3, 8)[raters], 0, 1)
        values = (draw.random(480) < chance).astype(float).tolist()
        both, one = crossed_proportion(values, cases.tolist(), raters.tolist()), proportion(values, cases.tolist())
        held += both.low <= 0.5 <= both.high
        held_by_case += one.low <= 0.5 <= one.high
    assert 0.93 <= held / times <= 0.985
    assert held_by_case / times < 0.75
