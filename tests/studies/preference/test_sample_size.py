"""The size of a study before it starts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from medix.evaluation.crossed import crossed_proportion
from medix.studies.preference.design import Comparison, Design
from medix.studies.preference.sample_size import SampleSize


def test_known_intervals_and_their_numbers() -> None:
    """60 of 100: 50.2 to 69.1 %; 110 of 200: 48.1 to 61.7 %; 120 of 200: 53.1 to 66.6 %."""
    for wins, count, width in ((0.6, 100, 0.189), (0.55, 200, 0.136), (0.6, 200, 0.135)):
        assert 2 * SampleSize(wins, 0).half_width(count) == pytest.approx(width, abs=1e-3)


def test_ties_and_cases_cost_comparisons() -> None:
    """100 comparisons with a quarter of ties are 75 preferences; of two of a case with correlation 0.5 the other has
    one three times in four, so that they count for 1/1.375."""
    assert SampleSize(0.6, 0.25).independent(100) == pytest.approx(75)
    assert SampleSize(0.6, 0.25, per_case=2, correlation=0.5).independent(100) == pytest.approx(75 / 1.375)


def test_raters_in_common_add_what_is_their_own() -> None:
    """Of two raters of every comparison: twice the ratings at no correlation, and none more at one of 1; of 30 of 100
    in common and alike, 130 ratings weigh as much as 130² / (30 · 2² + 70)."""
    assert [SampleSize(0.6, 0, 1, one, 2, 100).independent(100) for one in (0, 1)] == pytest.approx([200, 100])
    assert SampleSize(0.6, 0, 1, 1, 2, 30).independent(100) == pytest.approx(130**2 / 190)


@pytest.mark.parametrize(
    ("raters", "overlap", "correlation", "per_case", "wins", "count"),
    [
        (5, 60, 0.3, 1, 0.6, 60), (4, 30, 0.9, 1, 0.6, 119), (8, 30, 0.6, 1, 0.6, 150), (3, 20, 0.6, 3, 0.6, 120),
        (6, 40, 0.9, 2, 0.6, 120), (2, 0, 0.3, 4, 0.9, 120), (5, 0, 0.6, 4, 0.7, 200),
    ],
)  # fmt: skip
def test_width_and_power_are_those_of_simulated_studies(
    raters: int, overlap: int, correlation: float, per_case: int, wins: float, count: int
) -> None:
    draw = np.random.default_rng(1)
    rated = Design(raters, overlap, 1).assignments([Comparison(index, (0, 1)) for index in range(count)])
    cases = draw.permutation(np.arange(count) // per_case)[[one.comparison for one in rated]]
    scale = (1 - correlation) / correlation
    widths, found = [], []
    for _ in range(200):
        shares = draw.beta(wins * scale, (1 - wins) * scale, count // per_case)
        won = draw.random(len(rated)) < shares[cases]
        kept = draw.random(len(rated)) >= 0.25
        by = [one.rater for one, is_kept in zip(rated, kept, strict=True) if is_kept]
        interval = crossed_proportion(won[kept].astype(float).tolist(), cases[kept].tolist(), by)
        widths.append((interval.high - interval.low) / 2)
        sums = np.bincount(cases[kept], 2 * won[kept] - 1)
        found.append(binomtest(int((sums > 0).sum()), int((sums != 0).sum())).pvalue <= 0.05)
    size = SampleSize(wins, 0.25, per_case, correlation, raters, overlap)
    assert size.half_width(count) == pytest.approx(np.mean(widths), rel=0.07)
    assert size.power(count) == pytest.approx(np.mean(found), abs=0.1)  # three standard errors


@pytest.mark.parametrize(("raters", "count"), [(4, 119), (5, 119), (5, 487), (8, 487), (12, 300)])
def test_the_width_is_the_one_that_the_report_gives_to_raters_without_differences(raters: int, count: int) -> None:
    draw = np.random.default_rng(raters)
    widths = []
    for _ in range(150):
        rated = draw.random(count) >= 0.25
        cases, by = np.arange(count)[rated], (np.arange(count) % raters)[rated]
        wins = (draw.random(len(cases)) < 0.6).astype(float)
        found = crossed_proportion(wins.tolist(), cases.tolist(), by.tolist())
        widths.append((found.high - found.low) / 2)
    size = SampleSize(0.6, 0.25, raters=raters)
    assert size.half_width(count) == pytest.approx(np.mean(widths), rel=0.05)


def test_few_raters_are_planned_by_case_as_they_are_reported() -> None:
    assert SampleSize(0.6, 0.25, raters=4).comparisons(0.05) == SampleSize(0.6, 0.25).comparisons(0.05) == 487
    assert SampleSize(0.6, 0.25, raters=5).comparisons(0.05) > 800
    assert SampleSize(0.6, 0.25, raters=60).comparisons(0.05) < 600  # enough of them to see that they are alike


def test_where_the_report_gives_no_interval_none_is_promised() -> None:
    """The report gives none with preferences in fewer than five cases that have several ratings, however many."""
    wins, cases = [1.0, 0.0] * 80, [number % 4 for number in range(160)]
    assert np.isnan(crossed_proportion(wins, cases, [0] * 160).low)
    size = SampleSize(0.6, 0, per_case=40)
    assert np.isnan(size.half_width(160))
    assert size.half_width(200) == pytest.approx(0.27, abs=0.02)  # of five cases, Student's t
    assert size.comparisons(0.3) == 200
    shared = SampleSize(0.6, 0.25, raters=2, overlap=20)
    assert [shared.cases(count) for count in (4, 5)] == [4, 5]  # both raters tie on one of sixteen
    assert SampleSize(0.6, 0.5, per_case=2).cases(12) == 4  # of six cases, a quarter has two ties


@pytest.mark.parametrize("raters", [1, 4, 6])
def test_one_rating_each_of_few_cases_has_the_interval_of_the_report(raters: int) -> None:
    """Wilson's, of any number; raters in common make several ratings of a case."""
    for count in (1, 3, 4):
        wins, cases = [float(number % 2) for number in range(count)], list(range(count))
        found = crossed_proportion(wins, cases, [number % raters for number in range(count)])
        size = SampleSize(sum(wins) / count, 0, raters=raters)
        assert size.half_width(count) == pytest.approx((found.high - found.low) / 2)
    one_each = SampleSize(0.6, 0, raters=raters)
    assert one_each.comparisons(0.35) == 4  # Wilson: ± 37.1 points of three, ± 34.6 of four
    assert np.isnan(SampleSize(0.6, 0, raters=raters, per_case=1.5).half_width(6))
    assert np.isnan(SampleSize(0.6, 0, raters=raters, overlap=1).half_width(4)) == (raters > 1)


@given(
    st.floats(0.01, 0.4), st.floats(0, 1), st.floats(0, 0.9), st.sampled_from([1, 5, 9]), st.sampled_from([0, 20, 2000])
)
def test_the_number_is_the_smallest_that_suffices(
    half: float, wins: float, ties: float, raters: int, overlap: int
) -> None:
    size = SampleSize(wins, ties, raters=raters, overlap=overlap)
    count = size.comparisons(half)
    assert size.half_width(count) <= half
    assert not any(size.half_width(fewer) <= half for fewer in (*range(1, min(count, 12)), count - 1) if fewer)


def test_the_power_of_the_exact_test() -> None:
    """Of six, only 0 and 6 are significant (p = 2/64): 0.9^6 + 0.1^6. By simulation where it is larger."""
    assert SampleSize(0.9, 0).power(6) == pytest.approx(0.9**6 + 0.1**6)
    assert SampleSize(0.5, 0).power(5) == 0
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


def test_a_quotient_that_rounding_leaves_below_a_whole_number_is_that_number() -> None:
    """Twenty-two comparisons of six cases: 22 / (22 / 6) is 5.999… in some orders of division."""
    for cases in range(2, 60):
        for comparisons in range(cases, 5 * cases):
            each = comparisons / 3
            plan = SampleSize(0.6, ties=0.0, per_case=max(1.0, each / cases))
            assert plan.cases(each) == (cases if each >= cases else math.floor(each + 1e-6))
