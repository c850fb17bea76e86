"""Agreement of raters, and position bias."""

import math
import random

import pytest

from medix.studies.preference.consistency import Consistency
from medix.studies.preference.design import Comparison, Design
from tests.support.studies import rating


def test_alpha_of_two_raters_by_hand() -> None:
    """Four comparisons, both said first, first, second; on the fourth one said first and one second.

    Observed: 2 unequal of 8 values, 1/4. Values: first 5, second 3. Expected: (64 - 25 - 9) / (8 · 7) = 30/56.
    Alpha = 1 - (1/4) / (30/56) = 1 - 14/30 = 16/30.
    """
    said = [
        ("left", "right"),
        ("left", "right"),
        ("right", "left"),
        ("left", "left"),
    ]  # the second sees sides exchanged
    ratings = [
        rating(choice, str(case), rater, is_swapped=bool(rater))
        for case, pair in enumerate(said)
        for rater, choice in enumerate(pair)
    ]
    found = Consistency(ratings)
    assert found.alpha == pytest.approx(16 / 30)
    assert found.agreement == 0.75
    assert len(found.shared) == 4


def test_a_tie_and_both_unacceptable_are_two_things() -> None:
    found = Consistency([rating("tie", rater=0), rating("neither", rater=1)])
    assert found.agreement == 0


def test_what_one_rater_saw_tells_nothing_of_agreement() -> None:
    found = Consistency([rating("left", str(case)) for case in range(9)])
    assert math.isnan(found.alpha)
    assert math.isnan(found.agreement)
    assert found.shared == []


def test_repeats_are_compared_with_the_raters_own_first_time() -> None:
    first = [rating("left", "a"), rating("left", "b"), rating("right", "a", 1)]
    again = [
        rating("right", "a", is_swapped=True, is_repeat=True),
        rating("left", "b", is_swapped=True, is_repeat=True),
    ]
    assert Consistency(first + again).again == [True, False]
    assert Consistency(again).again == []


def test_a_rater_who_always_clicks_left_is_seen_whoever_stands_there() -> None:
    """Twelve times left: p = 2 / 2^12."""
    found = Consistency([rating("left", str(case), is_swapped=bool(case % 2)) for case in range(12)])
    assert found.left.estimate == 1
    assert found.left.p_value == pytest.approx(2 / 2**12)
    fair = Consistency(
        [rating("right" if case % 2 else "left", str(case), is_swapped=bool(case % 2)) for case in range(12)]
    )
    assert (fair.left.estimate, fair.left.p_value) == (0.5, 1.0)


def test_without_a_preference_nothing_is_said_of_sides() -> None:
    found = Consistency([rating("tie")])
    assert math.isnan(found.left.estimate)
    assert math.isnan(found.left.p_value)


@pytest.mark.parametrize("seen", [{0, 2}, {0, 1, 2, 3}])
def test_raters_who_see_the_same_sides_and_agree_are_not_taken_for_a_bias(seen: set[int]) -> None:
    """No side attracts; nine of ten ratings are for the better answer. By ratings, p < 0.05 too often for {0, 2}."""
    draw, found = random.Random(1), []
    for seed in range(300):
        made = [Comparison(number, (0, 1)) for number in range(40)]
        better = [draw.randrange(2) for _ in made]
        ratings = []
        for one in Design(raters=4, overlap=40, seed=seed).assignments(made):
            if one.rater in seen:
                chosen = better[one.comparison] ^ (draw.random() < 0.1)
                choice = "right" if chosen ^ one.is_swapped else "left"
                told = {"comparison": one.comparison, "is_swapped": one.is_swapped}
                ratings.append(rating(choice, str(one.comparison), one.rater, **told))
        found.append(Consistency(ratings).left.p_value)
    assert sum(p_value < 0.05 for p_value in found) / len(found) <= 0.07
    assert min(found) < 0.5


def test_a_bias_is_found_over_comparisons_that_several_raters_share() -> None:
    """Twelve comparisons, two raters with the sides exchanged: one always left, one mostly."""
    ratings = [rating("left", str(case), 0) for case in range(12)]
    ratings += [rating("right" if case == 0 else "left", str(case), 1, is_swapped=True) for case in range(12)]
    assert Consistency(ratings).left.p_value == pytest.approx(2 / 2**11)  # one comparison leans to neither side
