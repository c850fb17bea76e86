"""Agreement of judges."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.agreement import agreement, cohen_kappa, krippendorff_alpha
from medix.types import Verdict

Row = Sequence[float | None]


def panel(*votes: float | None, names: str = "abcdefgh") -> Verdict:
    return Verdict(1.0, "panel", votes=tuple(Verdict(vote, name) for vote, name in zip(votes, names, strict=False)))


def test_ninety_per_cent_agreement_is_kappa_080_where_half_is_right() -> None:
    """45 both YES, 45 both NO, 5 and 5 apart: p = 0.9, e = 0.5, kappa = 0.4 / 0.5."""
    pairs = [(1.0, 1.0)] * 45 + [(0.0, 0.0)] * 45 + [(1.0, 0.0)] * 5 + [(0.0, 1.0)] * 5
    assert cohen_kappa(pairs) == pytest.approx(0.8)


def test_ninety_per_cent_agreement_is_kappa_044_where_nearly_all_is_right() -> None:
    """85 both YES, 5 both NO, 5 and 5 apart: shares 0.9 and 0.1, e = 0.82, kappa = 0.08 / 0.18."""
    pairs = [(1.0, 1.0)] * 85 + [(0.0, 0.0)] * 5 + [(1.0, 0.0)] * 5 + [(0.0, 1.0)] * 5
    assert cohen_kappa(pairs) == pytest.approx(0.08 / 0.18)


def test_kappa_is_one_zero_and_minus_one_where_it_should_be() -> None:
    assert cohen_kappa([(1.0, 1.0), (0.0, 0.0)]) == 1.0
    assert cohen_kappa([(1.0, 1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0)]) == 0.0
    assert cohen_kappa([(1.0, 0.0), (0.0, 1.0)]) == -1.0


def test_kappa_of_judges_who_always_say_the_same_is_not_a_number() -> None:
    assert math.isnan(cohen_kappa([(1.0, 1.0)] * 3))
    assert math.isnan(cohen_kappa([]))


def test_alpha_of_three_questions_by_hand() -> None:
    """Rows 11, 00, 10: disagreement 2, totals three 1 and three 0, expected 36 - 18 = 18; alpha = 1 - 5 * 2 / 18."""
    assert krippendorff_alpha([(1.0, 1.0), (0.0, 0.0), (1.0, 0.0)]) == pytest.approx(1 - 10 / 18)


def test_alpha_with_a_missing_vote_by_hand() -> None:
    """Rows 1 1 -, 0 0 1, 0 - -: the last has no pairs.

    Disagreement 0 + (9 - 5) / 2 = 2; totals 1:3, 0:2 of 5; expected 25 - 13 = 12; alpha = 1 - 4 * 2 / 12.
    """
    assert krippendorff_alpha([(1.0, 1.0, None), (0.0, 0.0, 1.0), (0.0, None, None)]) == pytest.approx(1 / 3)


def test_alpha_of_the_published_example_with_missing_votes() -> None:
    """Krippendorff 2011, section C: four observers, twelve units, five values; nominal alpha 0.743."""
    observers = [
        "1 2 3 3 2 1 4 1 2 - - -",
        "1 2 3 3 2 2 4 1 2 5 - 3",
        "- 3 3 3 2 3 4 2 2 5 1 -",
        "1 2 3 3 2 4 4 1 2 5 1 -",
    ]
    columns = [[None if mark == "-" else float(mark) for mark in line.split()] for line in observers]
    assert krippendorff_alpha(list(zip(*columns, strict=True))) == pytest.approx(0.743, abs=5e-4)


def test_alpha_without_difference_or_pairs_is_not_a_number() -> None:
    assert math.isnan(krippendorff_alpha([(1.0, 1.0), (1.0, 1.0)]))
    assert math.isnan(krippendorff_alpha([(1.0, None)]))
    assert math.isnan(krippendorff_alpha([]))


def test_a_panel_is_taken_pair_by_pair_over_the_questions_that_both_graded() -> None:
    found = agreement([panel(1.0, 1.0, 0.0), panel(0.0, 0.0, None), panel(1.0, 0.0, 1.0)])
    assert (found.questions, found.missing) == (3, 1)
    assert [(pair.first, pair.second, pair.questions) for pair in found.pairs] == [
        ("a", "b", 3), ("a", "c", 2), ("b", "c", 2),
    ]  # fmt: skip
    assert [pair.raw for pair in found.pairs] == pytest.approx([2 / 3, 1 / 2, 0.0])
    assert found.pairs[2].kappa == -1.0
    assert found.alpha == krippendorff_alpha([(1.0, 1.0, 0.0), (0.0, 0.0, None), (1.0, 0.0, 1.0)])


def test_verdicts_without_votes_are_left_out() -> None:
    found = agreement([Verdict(1.0, "exact/4"), panel(1.0, 0.0)])
    assert found.questions == 1
    empty = agreement([])
    assert (empty.questions, empty.pairs) == (0, ())


def test_different_panels_are_not_mixed() -> None:
    with pytest.raises(ValueError, match="2 different panels"):
        agreement([panel(1.0, 0.0), panel(1.0, 0.0, names="xy")])


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.4, 1.0]), st.sampled_from([0.0, 0.4, 1.0])), min_size=2))
def test_kappa_is_the_same_either_way_and_never_above_the_raw_agreement(pairs: list[tuple[float, float]]) -> None:
    kappa = cohen_kappa(pairs)
    assert cohen_kappa([(other, one) for one, other in pairs]) == pytest.approx(kappa, nan_ok=True)
    equal = sum(one == other for one, other in pairs)
    if not math.isnan(kappa):
        assert kappa <= equal / len(pairs)
        assert (kappa == 1.0) == (equal == len(pairs))


@given(st.lists(st.tuples(*[st.sampled_from([None, 0.0, 1.0])] * 3), max_size=12), st.randoms(use_true_random=False))
def test_alpha_knows_neither_the_order_of_judges_nor_that_of_questions(rows: list[Row], random: object) -> None:
    shuffled = [row[::-1] for row in rows]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert krippendorff_alpha(shuffled) == pytest.approx(krippendorff_alpha(rows), nan_ok=True)
