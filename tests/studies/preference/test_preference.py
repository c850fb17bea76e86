"""Preferences between two models."""

import math

import pytest

from medix.evaluation.statistics import proportion
from medix.studies.preference.preference import preferences
from tests.support.studies import rating


def test_counts_and_shares_by_hand() -> None:
    """Left on 3 cases, right on 1, one tie, one "neither": 3 of 4 preferences, and (3 + 1/2 + 1/2) / 6 with halves."""
    said = ["left", "left", "left", "right", "tie", "neither"]
    [found] = preferences([rating(choice, str(case)) for case, choice in enumerate(said)])
    assert found.counts == {"first": 3, "second": 1, "tie": 1, "neither": 1}
    assert found.wins.estimate == 0.75
    assert found.score.estimate == pytest.approx(4 / 6)
    assert found.wins.count == 4


def test_the_exact_test_counts_each_case_once() -> None:
    """Case a: two raters for the first, one for the second; case b: one each, even; c to g: for the first.

    Six cases for the first, none for the second: p = 2 / 2^6 = 0.03125; Clopper and Pearson: 0.025^(1/6) = 0.5407.
    """
    ratings = [rating(choice, "a", rater) for rater, choice in enumerate(["left", "left", "right"])]
    ratings += [rating(choice, "b", rater) for rater, choice in enumerate(["left", "right"])]
    ratings += [rating("left", case) for case in "cdefg"]
    [found] = preferences(ratings)
    assert found.cases == (6, 0, 1)
    assert found.exact.p_value == pytest.approx(0.03125)
    assert (found.exact.low, found.exact.high) == (pytest.approx(0.025 ** (1 / 6)), 1.0)


def test_several_questions_of_a_case_are_one_cluster_and_four_raters_are_taken_as_given() -> None:
    ratings = [rating("left" if case % 3 else "right", str(case // 2), case % 4) for case in range(24)]
    [found] = preferences(ratings)
    assert found.wins == proportion([float(case % 3 > 0) for case in range(24)], [case // 2 for case in range(24)])


def test_five_raters_count_as_clusters() -> None:
    ratings = [rating("left" if rater < 3 else "right", str(case), rater) for case in range(20) for rater in range(5)]
    [found] = preferences(ratings)
    assert found.wins.method == "crossed wilson"
    assert found.wins.high - found.wins.low > 0.6  # two of five raters think otherwise on every case


def test_repeats_are_left_out_and_pairs_are_kept_apart() -> None:
    ratings = [rating("left", models=(0, 2)), rating("right", models=(0, 1)), rating("tie", is_repeat=True)]
    assert [(one.models, len(one.ratings)) for one in preferences(ratings)] == [((0, 1), 1), ((0, 2), 1)]


def test_ties_alone_give_no_share_and_no_test() -> None:
    [found] = preferences([rating("tie", str(case)) for case in range(9)])
    assert math.isnan(found.wins.estimate)
    assert math.isnan(found.exact.p_value)
    assert found.score.estimate == 0.5
