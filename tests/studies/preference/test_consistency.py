"""Agreement of raters, and position bias."""

import math
import random
from itertools import combinations

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


@pytest.mark.parametrize("models", [2, 3, 4, 6])
def test_coin_flips_agree_by_chance_and_equal_choices_fully_however_many_models(models: int) -> None:
    """Of 600 comparisons by three raters alpha has a standard error of about 1 / sqrt(1800), 0.024, over all pairs."""
    draw, pairs = random.Random(models), list(combinations(range(models), 2))
    flips, same = [], []
    for number in range(600):
        pair, better = pairs[number % len(pairs)], draw.choice(["left", "right"])
        told = {"comparison": number, "models": pair}
        flips += [rating(draw.choice(["left", "right"]), str(number), rater, **told) for rater in range(3)]
        same += [rating(better, str(number), rater, **told) for rater in range(3)]
    assert Consistency(flips).agreement == pytest.approx(0.5, abs=0.05)
    assert Consistency(flips).alpha == pytest.approx(0, abs=0.08)
    assert Consistency(same).alpha == 1


def test_alpha_of_two_pairs_of_models_by_hand() -> None:
    """Pair 0, 1 as above: observed 1/4 and expected 30/56 of 8 values. Pair 0, 2: two comparisons, both said 0 of one,
    and 0 and 2 of the other: observed 1/2 of 4 values; values 3 and 1, expected (16 - 9 - 1) / (4 * 3) = 1/2.
    Sums: 8 / 4 + 4 / 2 = 4 observed, 8 * 30 / 56 + 4 / 2 = 44/7 expected: alpha = 1 - 28/44 = 16/44."""
    said = [((0, 1), "left", "left")] * 2 + [((0, 1), "right", "right"), ((0, 1), "left", "right")]
    said += [((0, 2), "left", "left"), ((0, 2), "left", "right")]
    ratings = [
        rating(choice, str(number), rater, models=pair)
        for number, (pair, *choices) in enumerate(said)
        for rater, choice in enumerate(choices)
    ]
    found = Consistency(ratings)
    assert found.alpha == pytest.approx(16 / 44)
    assert Consistency([one for one in ratings if one.models == (0, 1)]).alpha == pytest.approx(16 / 30)
    assert len(found.shared) == 6


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
