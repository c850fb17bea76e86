"""Means that are clustered in two ways: by run and question, by case and rater."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t
from statsmodels.regression.linear_model import OLS

from medix.evaluation.crossed import crossed_freedom, crossed_mean, crossed_proportion
from medix.evaluation.statistics import clustered_mean, proportion, wilson


def test_a_case_worked_out_by_hand() -> None:
    """Two runs, five questions. Runs: means 0.4 and 0.8, variance 0.08, over 2 runs 0.04. Questions: means over runs
    1, 1, 0.5, 0.5, 0: deviations 0.4, 0.4, -0.1, -0.1, -0.6 with squares 0.7, times 5/4 over 25: 0.035. Residuals:
    x - run - question + 0.6: 0.2, 0.2, -0.3, -0.3, 0.2 and their opposites: squares 0.6, times 2 * 5 / (1 * 4) over
    100: 0.015. V = 0.06; degrees of freedom 0.06² / (0.04² / 1 + 0.035² / 4) = 1.888..."""
    found = crossed_mean([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], list("abcde"))
    assert found.estimate == pytest.approx(0.6)
    assert found.error == pytest.approx(math.sqrt(0.06))
    from scipy.stats import t

    freedom = 0.06**2 / (0.04**2 + 0.035**2 / 4)
    assert freedom == pytest.approx(1.8888, abs=1e-3)
    assert found.high - found.estimate == pytest.approx(t.ppf(0.975, freedom) * math.sqrt(0.06))
    assert found.p_value == pytest.approx(2 * t.sf(0.6 / math.sqrt(0.06), freedom))
    assert (found.count, found.clusters, found.method) == (10, 5, "crossed t")


def test_one_run_is_the_interval_over_questions() -> None:
    values, clusters = [0.0, 1.0, 1.0, 0.0, 1.0, 0.5], list("aabcde")
    assert crossed_mean([values], clusters) == clustered_mean(values, clusters)
    assert math.isnan(crossed_mean([values[:2], values[1:3]], ["a", "b"]).low)
    for wrong in ([], [values[:3]]):
        with pytest.raises(ValueError, match="runs times questions"):
            crossed_mean(wrong, ["a", "b"])


def test_differences_that_are_all_zero_are_no_difference_and_equal_ones_are_certain() -> None:
    zero = crossed_mean([[0.0] * 8] * 3, list(range(8)))
    assert (zero.low, zero.high, zero.p_value) == (0, 0, 1)
    half = crossed_mean([[0.5] * 8] * 3, list(range(8)))
    assert (half.low, half.high, half.p_value) == (0.5, 0.5, 0)


def test_missing_values_weigh_as_in_the_means_of_runs_by_hand() -> None:
    """Run means 0.5 of four and 0.8 of five: 0.65. Runs: variance 0.045, over 2 runs 0.0225. Deviations over 2 * 4 and
    2 * 5: 1/16, 1/16, -1/16, -1/16, none and 0.02 four times, -0.08. Their sums by question: 0.0825, 0.0825, -0.0425,
    -0.0425, -0.08; squares 0.023625, times 5/4: 0.02953125. Less half of the sum: +-0.02125, +-0.02125, +-0.04125,
    +-0.04125, +-0.04; squares 0.0118125, times 2 * 5 / (1 * 4): 0.02953125. V is 0.0225, and at least 0.02953125."""
    nan = math.nan
    found = crossed_mean([[1, 1, 0, 0, nan, nan], [1, 1, 1, 1, 0, nan]], list("abcdef"))
    assert found.estimate == pytest.approx(0.65)
    assert found.error**2 == pytest.approx(0.02953125)
    assert (found.count, found.clusters) == (9, 5)


def test_what_no_run_or_no_question_has_does_not_count() -> None:
    rows, nan = [[1.0, 1, 0, 0, 0], [1, 1, 1, 1, 0]], math.nan
    more = [[*row, nan] for row in rows] + [[nan] * 6]
    assert crossed_mean(more, list("abcdef"), is_share=True) == crossed_mean(rows, list("abcde"), is_share=True)
    none = crossed_mean([[nan, nan]] * 2, ["a", "b"])
    assert math.isnan(none.estimate)
    assert none.count == 0
    few = crossed_mean([[1.0, nan], [0.0, 0.5]], ["a", "b"], is_share=True)
    assert (few.estimate, few.count) == (0.625, 3)
    assert math.isnan(few.low)


def test_a_share_stays_between_0_and_1_and_is_wilsons_with_the_effective_number() -> None:
    """Here V is 0.06 (see above): 0.6 * 0.4 / 0.06 = 4 observations."""
    found = crossed_mean([[1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], list("abcde"), is_share=True)
    from scipy.stats import t

    square = t.ppf(0.975, 0.06**2 / (0.04**2 + 0.035**2 / 4)) ** 2
    centre = (0.6 + square / 8) / (1 + square / 4)
    half = math.sqrt(square) * math.sqrt(0.24 / 4 + square / 64) / (1 + square / 4)
    assert (found.low, found.high) == (pytest.approx(centre - half), pytest.approx(centre + half))
    certain = crossed_mean([[1.0] * 20] * 3, list(range(20)), is_share=True)
    assert certain.low == pytest.approx(0.839, abs=1e-3)  # Wilson of 20 of 20
    assert certain.high == 1
    assert (certain.count, certain.clusters) == (60, 20)
    one_lacks = [[1.0] * 20, [1.0] * 19 + [math.nan]]
    assert crossed_mean(one_lacks, list(range(20)), is_share=True).count == 39
    almost = crossed_mean([[1.0] * 20, [1.0] * 19 + [0.5], [1.0] * 20], list(range(20)), is_share=True)
    assert 0 < almost.low < almost.estimate < almost.high <= 1


@given(st.lists(st.lists(st.floats(-1, 1), min_size=8, max_size=8), min_size=2, max_size=4), st.floats(-3, 3))
def test_it_moves_with_its_values_and_does_not_depend_on_the_order_of_runs(rows: list[list[float]], by: float) -> None:
    clusters = [0, 0, 1, 2, 3, 4, 5, 5]
    found, moved = crossed_mean(rows, clusters), crossed_mean((np.array(rows) + by).tolist(), clusters)
    turned = crossed_mean(rows[::-1], clusters)
    assert moved.estimate == pytest.approx(found.estimate + by, abs=1e-9)
    assert moved.error == pytest.approx(found.error, abs=1e-7)
    assert turned.error == pytest.approx(found.error, abs=1e-7)
    assert found.error >= clustered_mean(np.mean(rows, axis=0).tolist(), clusters).error - 1e-9


@pytest.mark.parametrize(
    ("of_runs", "of_questions", "low"), [(0.0, 0.1, 0.95), (0.02, 0.1, 0.93), (0.1, 0.1, 0.91), (0.0, 0.3, 0.93)]
)
def test_three_runs_cover_the_truth_about_as_often_as_they_say(of_runs: float, of_questions: float, low: float) -> None:
    """One interval over questions alone, or over runs alone, covers far less where the other part is large."""
    draw = np.random.default_rng(3)
    clusters = np.repeat(np.arange(60), 2).tolist()
    hits = 0
    for _ in range(400):
        questions = np.repeat(draw.normal(0, of_questions, (1, 60)), 2, axis=1)
        table = draw.normal(0, of_runs, (3, 1)) + questions + draw.normal(0, 0.3, (3, 120))
        found = crossed_mean(table.tolist(), clusters)
        hits += found.low <= 0 <= found.high
    assert hits / 400 >= low


# Shares by case and rater -------------------------------------------------------------------------------------------


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


def test_degrees_of_freedom_by_hand() -> None:
    """Parts 2 and 1 of V = 2.5 with 101 cases and 5 raters: 6.25 / (4 / 100 + 1 / 4) = 21.55; raters alone leave 4; if
    both parts are V, 1 / (1/100 + 1/4) = 3.85 would be less than raters alone leave."""
    assert crossed_freedom((2, 1), (101, 5), 2.5) == pytest.approx(6.25 / 0.29)
    assert crossed_freedom((0, 3), (101, 5), 3) == pytest.approx(4)
    assert crossed_freedom((3, 3), (101, 5), 3) == 4
    assert crossed_freedom((3, 0), (101, 5), 3) == pytest.approx(100)


@pytest.mark.parametrize(("differ", "low", "high"), [(0.0, 0.95, 0.995), (0.06, 0.93, 0.99), (0.2, 0.92, 0.985)])
def test_five_raters_who_share_out_cases_cover_the_truth(differ: float, low: float, high: float) -> None:
    """487 cases dealt to five raters, of which all make the first 20. With as many degrees of freedom as raters less
    one whatever raters' variance is, all but 0.6 % of the intervals of raters without differences held the truth."""
    draw = np.random.default_rng(6)
    cases = np.concatenate([np.repeat(np.arange(20), 5), np.arange(20, 487)])
    raters = np.concatenate([np.tile(np.arange(5), 20), np.arange(20, 487) % 5])
    held = []
    for _ in range(400):
        chance = np.clip(0.6 + draw.uniform(-differ, differ, 5)[raters], 0, 1)
        found = crossed_proportion((draw.random(567) < chance).astype(float).tolist(), cases.tolist(), raters.tolist())
        held.append(found.low <= 0.6 <= found.high)
    assert low <= np.mean(held) <= high
