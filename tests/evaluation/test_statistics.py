"""Intervals by hand, by property, and against statsmodels and scipy."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import proportion_confint

from medix.evaluation.statistics import (
    bounds,
    clustered_mean,
    mcnemar_exact,
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
    assert math.isnan(found.estimate)
    assert (found.low, found.high) == (0, 1)


def test_wilson_refuses_more_successes_than_observations() -> None:
    with pytest.raises(ValueError, match="successes: 3 is not between 0 and count = 2"):
        wilson(3, 2)


def test_clustered_mean_of_constant_clusters_resamples_whole_clusters() -> None:
    """Five clusters of two equal values, one of them 1 and four 0: a resample mean is k/5 with k binomial(5, 1/5),
    so P(k = 0) = 0.8⁵ = 0.328 and P(k ≥ 4) = 0.0067: the 95 % interval is exactly from 0 to 3/5."""
    found = clustered_mean([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], list("aabbccddee"))
    assert found.estimate == 0.2
    assert (found.low, found.high) == (0.0, pytest.approx(0.6))
    assert (found.count, found.clusters) == (10, 5)


def test_clustered_mean_with_a_cluster_each_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).normal(size=60)
    found = clustered_mean(values.tolist(), list(range(60)))
    other = bootstrap((values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(4))
    assert (found.low, found.high) == pytest.approx(tuple(other.confidence_interval), abs=0.02)


def test_clustering_widens_an_interval_where_cases_agree() -> None:
    """60 cases of 5 equal answers hold 60 observations, not 300: the interval is about √5 wider."""
    values = [float(case % 2) for case in range(60) for _ in range(5)]
    clustered = clustered_mean(values, [case for case in range(60) for _ in range(5)])
    naive = clustered_mean(values, list(range(300)))
    assert (clustered.high - clustered.low) / (naive.high - naive.low) == pytest.approx(math.sqrt(5), rel=0.12)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9)), min_size=1, max_size=40), st.integers(0, 5))
def test_interval_holds_the_estimate_and_order_does_not_matter(rows: list[tuple[float, int]], seed: int) -> None:
    values, clusters = [value for value, _ in rows], [cluster for _, cluster in rows]
    found = clustered_mean(values, clusters, resamples=300, seed=seed)
    assert found.estimate == pytest.approx(sum(values) / len(values))
    if len(set(clusters)) >= 5:
        assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9
    else:
        assert math.isnan(found.low)


def test_few_clusters_give_no_interval() -> None:
    """Four cases are too few to resample; no interval is better than one that is far too narrow."""
    found = clustered_mean([0.0, 1.0, 1.0, 0.0], ["a", "b", "c", "d"])
    assert found.estimate == 0.5
    assert math.isnan(found.low)
    assert not found.excludes_zero


def test_the_same_seed_gives_the_same_interval() -> None:
    values, clusters = [0.1234 * index**1.5 for index in range(12)], list(range(12))
    assert clustered_mean(values, clusters, seed=7) == clustered_mean(values, clusters, seed=7)
    assert clustered_mean(values, clusters, seed=7) != clustered_mean(values, clusters, seed=8)


def test_paired_difference_sees_a_gain_that_two_intervals_hide() -> None:
    """Every answer gains exactly 0.1: the paired interval has no width, though the scores themselves spread widely."""
    first = [index / 20 for index in range(20)]
    second = [value + 0.1 for value in first]
    gain = paired_difference(first, second, list(range(20)))
    assert (gain.estimate, gain.low, gain.high) == pytest.approx((0.1, 0.1, 0.1))
    assert gain.excludes_zero
    assert clustered_mean(first, list(range(20))).high > clustered_mean(second, list(range(20))).low


def test_unscored_values_are_refused_rather_than_counted() -> None:
    with pytest.raises(ValueError, match="leave unscored observations out"):
        clustered_mean([1.0, math.nan], ["a", "b"])


def test_proportion_of_single_questions_is_wilson() -> None:
    assert proportion([1.0, 0.0, 1.0], ["a", "b", "c"]) == wilson(2, 3)


def test_proportion_of_clustered_questions_is_the_bootstrap() -> None:
    values, clusters = [1.0, 0.0] * 6, [case for case in range(6) for _ in range(2)]
    assert proportion(values, clusters) == clustered_mean(values, clusters)


def test_proportion_where_all_cases_agree_still_has_a_width() -> None:
    """Ten cases, all right: the bootstrap would say 100 % to 100 %; Wilson of 10 of 10 says 72 %."""
    found = proportion([1.0] * 20, [case for case in range(10) for _ in range(2)])
    assert found.estimate == 1.0
    assert found.low == pytest.approx(0.7225, abs=1e-4)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_mcnemar_equals_statsmodels(pairs: list[tuple[bool, bool]]) -> None:
    table = [[sum((a, b) == cell for a, b in pairs) for cell in row] for row in _CELLS]
    expected = mcnemar(table, exact=True).pvalue if table[0][1] + table[1][0] else 1.0
    assert mcnemar_exact([a for a, _ in pairs], [b for _, b in pairs]) == pytest.approx(expected)


_CELLS = (((True, True), (True, False)), ((False, True), (False, False)))


def test_mcnemar_of_twelve_against_four_by_hand() -> None:
    """2 · P(X ≤ 4 | 16, 1/2) = 2 · (1 + 16 + 120 + 560 + 1820) / 65536 = 0.0768."""
    first = [True] * 4 + [False] * 12
    assert mcnemar_exact(first, [not value for value in first]) == pytest.approx(5034 / 65536)


def test_bounds_of_the_worked_example() -> None:
    """1,000 answers, 680 right, 30 unscored: between 68.0 % and 71.0 %."""
    assert bounds(680, 970, 30) == pytest.approx((0.68, 0.71))
    assert all(math.isnan(end) for end in bounds(0, 0, 0))
