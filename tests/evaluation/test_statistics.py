"""Intervals by hand, by property, and against statsmodels and scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp, ttest_rel
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from medix.evaluation.statistics import (
    bounds,
    clustered_mean,
    judged_difference,
    minimum_detectable_difference,
    paired_difference,
    proportion,
    wilson,
)


def test_wilson_of_one_in_two_by_hand() -> None:
    """p = 1/2, n = 2, z² = 3.8415: centre (0.5 + 0.9604) / 2.9207 = 0.5,
    half = 1.96 / 2.9207 · √(0.125 + 0.2401) = 0.6711 · 0.6042 = 0.4055."""
    found = wilson(1, 2)
    assert found.estimate == 0.5
    assert found.low == pytest.approx(0.5 - 0.4055, abs=1e-4)
    assert found.high == pytest.approx(0.5 + 0.4055, abs=1e-4)


@given(st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.99))
def test_wilson_equals_statsmodels(counts: tuple[int, int], confidence: float) -> None:
    low, high = proportion_confint(*counts, alpha=1 - confidence, method="wilson")
    found = wilson(*counts, confidence=confidence)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-12)
    assert 0 <= found.low <= found.estimate <= found.high <= 1


def test_wilson_over_nothing_knows_nothing() -> None:
    found = wilson(0, 0)
    assert all(math.isnan(number) for number in (found.estimate, found.low, found.high))


def test_wilson_refuses_more_successes_than_observations() -> None:
    with pytest.raises(ValueError, match="successes: 3 is not between 0 and count = 2"):
        wilson(3, 2)


def test_clustered_mean_by_hand() -> None:
    """Five clusters of two values, sums 2, 1, 1, 0, 1 of counts 2: mean 1/2, residuals 1, 0, 0, -1, 0 with squares 2.

    Error √(2 · 5/4) / 10 = 0.15811; t of 4 degrees of freedom is 2.77645, so half the interval is 0.43899.
    """
    found = clustered_mean([1, 1, 1, 0, 0, 1, 0, 0, 1, 0], list("aabbccddee"))
    assert (found.estimate, found.error) == (0.5, pytest.approx(0.158114, abs=1e-6))
    assert (found.low, found.high) == (pytest.approx(0.06101, abs=1e-5), pytest.approx(0.93899, abs=1e-5))
    assert (found.count, found.clusters, found.method) == (10, 5, "clustered t")


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.integers(0, 9)), min_size=12, max_size=40).filter(
        lambda rows: len({cluster for _, cluster in rows}) >= 5
    )
)
def test_clustered_mean_equals_regression_on_a_constant_with_clustered_errors(rows: list[tuple[float, int]]) -> None:
    values, clusters = np.array([value for value, _ in rows]), np.array([cluster for _, cluster in rows])
    found = clustered_mean(values.tolist(), clusters.tolist())
    size, count = len(set(clusters.tolist())), len(values)
    model = OLS(values, np.ones(count)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False, "df_correction": True}, use_t=True
    )
    assert found.estimate == pytest.approx(model.params[0], abs=1e-9)
    assert found.error == pytest.approx(model.bse[0] * math.sqrt(size / (size - 1)), abs=1e-9)


def test_clustered_mean_with_a_cluster_each_is_the_t_interval_of_scipy() -> None:
    values = np.random.default_rng(3).normal(size=60)
    found = clustered_mean(values.tolist(), list(range(60)))
    assert (found.low, found.high) == pytest.approx(tuple(ttest_1samp(values, 0).confidence_interval()))


def test_clustering_widens_an_interval_where_cases_agree() -> None:
    """60 cases of 5 equal answers hold 60 observations, not 300: the interval is about √5 wider."""
    values = [float(case % 2) for case in range(60) for _ in range(5)]
    clustered = proportion(values, [case for case in range(60) for _ in range(5)])
    naive = proportion(values, list(range(300)))
    assert (clustered.high - clustered.low) / (naive.high - naive.low) == pytest.approx(math.sqrt(5), rel=0.05)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 1.0]), st.integers(0, 9)), min_size=1, max_size=40))
def test_interval_holds_the_estimate_and_order_does_not_matter(rows: list[tuple[float, int]]) -> None:
    values, clusters = [value for value, _ in rows], [cluster for _, cluster in rows]
    for interval in (clustered_mean, proportion):
        found = interval(values, clusters)
        assert found.estimate == pytest.approx(sum(values) / len(values))
        other = interval(values[::-1], clusters[::-1])
        assert (other.low, other.high) == pytest.approx((found.low, found.high), abs=1e-9, nan_ok=True)
        if len(set(clusters)) >= 5:
            assert found.low - 1e-9 <= found.estimate <= found.high + 1e-9
            assert interval is clustered_mean or 0 <= found.low <= found.high <= 1
        else:
            assert math.isnan(found.low) or found.method == "wilson"


def test_few_clusters_give_no_interval() -> None:
    found = clustered_mean([0.0, 1.0, 1.0, 0.0], ["a", "b", "c", "d"])
    assert found.estimate == 0.5
    assert math.isnan(found.low)
    assert math.isnan(minimum_detectable_difference(found))
    assert not found.excludes_zero
    assert found.has_few_clusters


def test_paired_difference_sees_a_gain_that_two_intervals_hide() -> None:
    """Every answer gains 0.09 or 0.11: the paired interval is narrow, though the scores themselves spread widely."""
    first = [index / 20 for index in range(20)]
    second = [value + 0.09 + 0.02 * (index % 2) for index, value in enumerate(first)]
    gain = paired_difference(first, second, list(range(20)))
    assert gain.estimate == pytest.approx(0.1)
    assert 0.09 < gain.low < 0.1 < gain.high < 0.11
    assert clustered_mean(first, list(range(20))).high > clustered_mean(second, list(range(20))).low


def test_two_systems_that_agree_on_every_question_may_still_differ() -> None:
    """30 agreements: error √(2 · 30/29) / 32 = 0.044950 by the two that are added, t = 2.04523: half 0.091932; p is 1.
    Of grades in steps of 0.2 all of this is a fifth."""
    gain = paired_difference([1.0] * 30, [1.0] * 30, list(range(30)))
    assert (gain.estimate, gain.p_value) == (0.0, 1.0)
    assert (gain.low, gain.high) == pytest.approx((-0.091932, 0.091932), abs=1e-6)
    grades = paired_difference([0.8] * 30, [0.8] * 30, list(range(30)), step=0.2)
    assert (grades.low, grades.high) == pytest.approx((-0.091932 / 5, 0.091932 / 5), abs=1e-6)
    assert minimum_detectable_difference(grades) > 0.02


def test_grades_that_all_differ_by_three_steps_have_an_interval_around_that() -> None:
    gain = paired_difference([0.2] * 30, [0.8] * 30, list(range(30)), step=0.2)
    assert (gain.low, gain.high) == pytest.approx((0.6 - 0.091932 / 5, 0.6 + 0.091932 / 5), abs=1e-6)


def test_a_difference_on_a_known_scale_is_within_its_ends_and_one_of_rewards_need_not_be() -> None:
    """Five of 0 and 1: error √((4 · 1/25 + 16/25 + 2) · 5/4) / 7 = 0.267, t = 2.776, so the half is 0.742."""
    gain = paired_difference([0.0] * 5, [1.0] * 4 + [0.0], range(5))
    assert (gain.estimate, gain.low, gain.high) == (0.8, pytest.approx(0.058, abs=1e-3), 1.0)
    loss = paired_difference([1.0] * 4 + [0.0], [0.0] * 5, range(5))
    assert (loss.low, loss.high) == (-1.0, -gain.low)
    grades = paired_difference([0.0] * 5, [1.0] * 4 + [0.2], range(5), step=0.2)
    assert (grades.high, grades.low > 0) == (1.0, True)
    judged = judged_difference([(0.0, 1.0)] * 4 + [(0.0, 0.0)], [False] * 5, range(5))
    assert judged == gain
    assert paired_difference([0.0] * 5, [2.0] * 4 + [0.0], range(5)).high > 2


@pytest.mark.parametrize("cases", [40, 20])
@pytest.mark.parametrize("gains", [(0.0, 0.0), (0.1, 0.1), (0.3, -0.3)])
def test_rewards_whose_cases_do_not_differ_have_no_interval_of_a_difference(
    cases: int, gains: tuple[float, float]
) -> None:
    """Nothing says how much other cases would differ, since the scale of rewards is not known."""
    if cases == 40:
        gains = gains[0], gains[0]
    first = [index / 40 for index in range(40)]
    second = [value + gains[index % 2] for index, value in enumerate(first)]
    gain = paired_difference(first, second, [index * cases // 40 for index in range(40)])
    assert gain.estimate == pytest.approx(sum(gains) / 2)
    assert all(map(math.isnan, (gain.low, gain.high, gain.error, gain.p_value, minimum_detectable_difference(gain))))
    assert math.isnan(minimum_detectable_difference(clustered_mean([0.5] * 40, range(40))))


def test_paired_difference_of_rewards_is_the_paired_t_test_of_scipy() -> None:
    first, second = np.random.default_rng(5).normal(size=(2, 40))
    gain = paired_difference(first.tolist(), second.tolist(), list(range(40)))
    found = ttest_rel(second, first)
    assert gain.p_value == pytest.approx(found.pvalue)
    assert (gain.low, gain.high) == pytest.approx(tuple(found.confidence_interval()))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 8)), min_size=9, max_size=40))
def test_p_value_and_interval_say_the_same_and_swapping_changes_the_sign(rows: list[tuple[bool, bool, int]]) -> None:
    first, second, clusters = ([float(row[column]) for row in rows] for column in range(3))
    gain, swapped = paired_difference(first, second, clusters), paired_difference(second, first, clusters)
    if gain.clusters < 5:
        assert math.isnan(gain.p_value)
        return
    assert gain.excludes_zero == (gain.p_value < 0.05)
    assert (swapped.estimate, swapped.low) == pytest.approx((-gain.estimate, -gain.high), abs=1e-12)


def test_minimum_detectable_difference_is_found_four_times_in_five() -> None:
    """Power 80 % by simulation with the difference at that size: 60 clusters of normal differences."""
    draws = np.random.default_rng(7).normal(size=(2000, 60))
    errors = [paired_difference([0.0] * 60, row.tolist(), range(60)) for row in draws[:200]]
    size = float(np.median([minimum_detectable_difference(one) for one in errors]))
    found = ttest_1samp(draws + size, 0, axis=1).pvalue < 0.05
    assert np.mean(found) == pytest.approx(0.8, abs=0.03)


def test_unscored_values_are_refused_rather_than_counted() -> None:
    with pytest.raises(ValueError, match="leave unscored observations out"):
        clustered_mean([1.0, math.nan], ["a", "b"])


def test_proportion_of_single_questions_is_wilson() -> None:
    assert proportion([1.0, 0.0, 1.0], ["a", "b", "c"]) == wilson(2, 3)


def test_proportion_of_clustered_questions_by_hand() -> None:
    """The sums 2, 1, 1, 0, 1 of two: share 1/2, error 0.158114, so n = 0.25 / 0.025 = 10 and t = 2.77645: centre 1/2,
    half 2.77645 · √(0.025 + 7.70867 / 400) / (1 + 0.770867) = 2.77645 · 0.210408 / 1.770867 = 0.329888."""
    found = proportion([1, 1, 1, 0, 0, 1, 0, 0, 1, 0], list("aabbccddee"))
    assert (found.low, found.high) == pytest.approx((0.170112, 0.829888), abs=1e-6)
    assert found.method == "clustered wilson"


def test_cases_with_one_right_and_one_wrong_answer_each_are_no_certainty() -> None:
    """No case differs from another, so the error is 0: the interval is that of six observations, not a point."""
    found = proportion([1.0, 0.0] * 6, [case for case in range(6) for _ in range(2)])
    assert 0.1 < found.low < 0.2
    assert 0.8 < found.high < 0.9


@pytest.mark.parametrize("value", [-0.1, 1.5])
def test_a_proportion_outside_0_to_1_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        proportion([0.5, value], ["a", "b"])


def test_proportion_where_all_cases_agree_still_has_a_width() -> None:
    """Ten cases, all right: n = 10 and t = 2.26216, low 1 / (1 + t² / 10) = 0.6615, a little below Wilson's 0.7225."""
    found = proportion([1.0] * 20, [case for case in range(10) for _ in range(2)])
    assert found.estimate == 1.0
    assert found.low == pytest.approx(0.66149, abs=1e-5)


def test_bounds_of_the_worked_example() -> None:
    """1,000 answers, 680 right, 30 unscored: between 68.0 % and 71.0 %."""
    assert bounds(680, 970, 30) == pytest.approx((0.68, 0.71))
    assert all(math.isnan(end) for end in bounds(0, 0, 0))


def test_judged_difference_by_hand() -> None:
    """14 observations, 4 by rule; of the other 10 half have values, of which one differs by -1: d = -1/5, w = 10/14.

    Each of the five with values stands for two: values 0 (4 times), d = -1/5 (5), -d = 1/5 (4) and -2 - d = -9/5, with
    the mean m = -2/14. Two observations are added that stand for two each: squares 4 m² + 5 (m + 1/5)² + 4 (m - 1/5)²
    + (m + 9/5)² + 2 · 2² = 11.314286, error √(11.314286 · 5/4) / 18 = 0.208928, as 5 have values; t of 4 degrees of
    freedom is 2.776445, so half the interval is 0.580076.
    """
    pairs = [*[(1.0, 1.0)] * 4, (1.0, 0.0), *[(1.0, 1.0)] * 4, *[None] * 5]
    found = judged_difference(pairs, [True] * 4 + [False] * 10, range(14))
    assert (found.estimate, found.error) == pytest.approx((-1 / 7, 0.208928), abs=1e-6)
    assert (found.low, found.high) == pytest.approx((-1 / 7 - 0.580076, -1 / 7 + 0.580076), abs=1e-6)
    assert (found.count, found.clusters) == (14, 5)


_CREDITS = st.sampled_from([0.0, 1.0])


@given(st.lists(st.tuples(st.booleans(), _CREDITS, _CREDITS, st.integers(0, 8)), min_size=1, max_size=40))
def test_judged_difference_is_the_paired_one_where_nothing_is_left_out(
    rows: list[tuple[bool, float, float, int]],
) -> None:
    rows = [(is_ruled, one, one if is_ruled else other, cluster) for is_ruled, one, other, cluster in rows]
    by_rule, first, second, clusters = zip(*rows, strict=True)
    found = judged_difference(list(zip(first, second, strict=True)), by_rule, clusters)
    if all(by_rule):
        assert math.isnan(found.estimate)
    else:
        assert repr(found) == repr(paired_difference(first, second, clusters))  # NaN differs from NaN


@pytest.mark.parametrize("by_rule", [0, 50])
def test_a_difference_that_values_of_few_clusters_tell_has_no_interval(by_rule: int) -> None:
    pairs = [(0.0, 1.0)] * 4 + [None] * (96 - by_rule) + [(1.0, 1.0)] * by_rule
    found = judged_difference(pairs, [False] * (100 - by_rule) + [True] * by_rule, range(100))
    assert (found.estimate, found.clusters) == (1 - by_rule / 100, 4)
    assert math.isnan(found.low)
    assert math.isnan(found.p_value)
    assert math.isnan(found.error)
