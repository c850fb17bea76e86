"""Measures without a unit."""

import pytest

from medix.audit.quantities import COUNTED, MEASURES, SIZED, without_unit
from medix.judge.clinical.tokens import read


@pytest.mark.parametrize(
    ("answer", "numbers"),
    [
        ("The mass measures 5.", ("5",)),
        ("a diameter of about 2.5", ("2.5",)),
        ("It measures 5 x 4.", ("5", "4")),
        ("The mass measures 5 mm.", ()),
        ("It measures 5 x 4 cm.", ()),
        ("a diameter of 2.5cm", ()),
        ("There are 5 lesions.", ()),
        ("a mass of 3 x 4", ("3", "4")),
        ("A 3 x 4 x 5 nodule", ("3", "4", "5")),
        ("a mass of 3 x 4 cm", ()),
        ("a matrix of 3 x 4", ()),
        ("measures 2 vertebrae in height", ()),
        ("Segment 5 of the liver.", ()),
        ("the second rib, T2", ()),
        ("The size is the 3rd largest.", ()),
        ("", ()),
        ("between 5 and 7 mm in diameter", ()),
        ("It measures between 5 and 7 mm.", ()),
        ("nodules with diameters of 5 and 7 mm", ()),
        ("It measures 5 or 6 mm.", ()),
        ("nodules measuring 5, 7 and 9 mm", ()),
        ("nodules measuring 5, 7, or 9 mm", ()),
        ("a diameter of 5, and the depth is 3 mm", ("5",)),
        ("a diameter of 5, 3 mm deep", ("5",)),
        ("diameters of 5 and 7", ("5", "7")),
        ("The lesion measures 5, 6 and 7.", ("5", "6", "7")),
        ("The lesions measure 5, 7, and 9.", ("5", "7", "9")),
        ("diameters of 3, 4, 5", ("3", "4", "5")),
        ("diameters of 3, 4, 5 mm", ()),
        ("It measures 5, and 2 lesions are new.", ("5",)),
        ("It measures 5 mm, 6, and 7 cm.", ()),
        ("The disc height at L4-L5 is reduced.", ()),
        ("the height of L5/S1 and the width of C5 \u2013 C6", ()),
        ("the length of the S1 nerve root", ()),
        ("loss of height of L1", ()),
        ("thickness on T2", ()),
        ("The height of L1 measures 5.", ("5",)),
        ("It measures 12 x8.", ("12", "8")),
        ("a size of 5 mm2 or 6 cm3", ()),
        ("an index of weight of 25 kg/m2", ()),
    ],
)
def test_a_number_measures_after_a_word_of_measure(answer: str, numbers: tuple[str, ...]) -> None:
    assert without_unit(answer) == numbers


def test_a_bare_number_is_a_measure_if_the_reference_has_a_unit() -> None:
    assert without_unit("5", "How large is it?", ["5 mm"]) == ("5",)
    assert without_unit("about 5", "How large is it?", ["5 mm"]) == ("5",)
    assert without_unit("5 mm", "How large is it?", ["5 mm"]) == ()
    assert without_unit("5", "What is the diameter?") == ("5",)
    assert without_unit("L5", "Which height is reduced?", ["L4"]) == ()
    assert without_unit("5", "How large is it?", ["5 mm, at L4"]) == ("5",)


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        ("What is its diameter in mm?", ()), ("How many centimetres is its diameter?", ()),
        ("What is its diameter in a child?", ("5",)), ("What is the diameter in the lung?", ("5",)),
    ],
)  # fmt: skip
def test_a_question_may_state_the_unit(question: str, numbers: tuple[str, ...]) -> None:
    assert without_unit("5", question) == numbers


def test_the_reference_decides_before_the_question() -> None:
    assert without_unit("5", "How many nodules of this size are there?", ["5"]) == ()
    assert without_unit("5", "Is the size normal?", ["no"]) == ()
    assert without_unit("5", "How many are there?") == ()
    assert without_unit("2", "How many lesions have a diameter over 1 cm?") == ()
    assert without_unit("2", "What is the number of nodules with a size above 5 mm?") == ()


@pytest.mark.parametrize("word", sorted(MEASURES | COUNTED | SIZED))
def test_listed_words_stand_in_the_form_in_which_texts_are_read(word: str) -> None:
    assert [token.key for token in read(word)] == [word]
