"""The ways in which an answer may name a choice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.data.sources.answer_readings import Readings


@pytest.mark.parametrize(
    ("answer", "choices", "index"),
    [
        (" Left ", ["left", "right"], 0),
        ("b", ["left", "right"], 1),
        ("B", ["A", "B"], 1),
        ("C", ["left", "right"], None),
        ("2", ["left", "right"], None),
        ("0", ["left", "right"], None),  # a number names no choice, since it may be counted from 0 or from 1
        ("same", ["same", "Same"], None),
        ("(B)", ["left", "right"], 1),
        ("B.", ["left", "right"], 1),
        ("b)", ["left", "right"], 1),
        ("Option B", ["left", "right"], 1),
        ("(C)", ["left", "right"], None),
        ("(B)", ["A", "B"], 1),
        ("(A)", [], None),
        ("\uff22", ["left", "right"], 1),  # full width
        ("\uff08\uff42\uff09", ["left", "right"], 1),
        ("B\u3002", ["left", "right"], 1),
        ("left.", ["left", "right"], 0),
        ("left.", ["left", "left."], 1),
        ("5", ["4", "5", "6"], 1),  # of three choices, none is number 5
        ("4", ["1", "2", "3", "4"], 3),
    ],
)
def test_an_answer_names_a_choice_by_text_or_letter(answer: str, choices: list[str], index: int | None) -> None:
    found = Readings.of(answer, choices)
    assert (found.differ, found.chosen()) == (False, index)


@pytest.mark.parametrize(
    ("answer", "choices", "texts", "letters", "told"),
    [
        ("A", ["C", "B", "A", "E"], 2, 0, "the text of the choice 'A' and the letter of 'C'"),
        ("C", ["a", "c", "bc", "ad"], 1, 2, "the text of the choice 'c' and the letter of 'bc'"),
        ("A", ["A", "a"], None, 0, "the text of the choice 'A' or 'a' and the letter of 'A'"),
        ("(B)", ["AB", "A", "B", "O"], None, 1, "the text of the choice 'B' and the letter of 'A'"),
        ("3", ["3", "20", "23", "46"], 0, None, "the text of the choice '3' and the number of '23' or '46'"),
        ("4", ["3", "4", "5", "6"], 1, None, "the text of the choice '4' and the number of '6'"),  # from 1
        ("1.0", ["1.0", "2.0"], 0, None, "the text of the choice '1.0' and the number of '1.0' or '2.0'"),
    ],
)
def test_an_answer_that_is_the_text_of_one_choice_and_the_letter_or_number_of_another(
    answer: str, choices: list[str], texts: int | None, letters: int | None, told: str
) -> None:
    found = Readings.of(answer, choices)
    assert found.differ
    assert (found.chosen("texts"), found.chosen("letters"), found.kind) == (texts, letters, "")
    assert told in found.fault(choices)
    by, key = ("letters", "answer_letter") if letters is not None else ("numbers", "answer_index")
    assert found.fault(choices).endswith(f"columns: {{{key}: NAME}} for {by}, or answers: texts")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("left", "texts"), ("B", "letters"), ("(b)", "letters"), ("1", "numbers"), ("2", "numbers"), ("3", ""),
     ("C", "texts"), ("x", ""), ("E", "")],
)  # fmt: skip
def test_an_answer_may_be_of_one_kind_only(answer: str, kind: str) -> None:
    assert Readings.of(answer, ["left", "c"]).kind == kind
    assert Readings.of("A", ["A", "c"]).kind == ""  # text and letter of one choice


@given(st.lists(st.sampled_from(["A", "B", "C", "D", "0", "1", "2", "x"]), min_size=2, max_size=4, unique=True))
def test_no_answer_is_taken_for_a_choice_that_is_not_the_only_one_it_may_be(choices: list[str]) -> None:
    for place, text in enumerate(choices):
        found = Readings.of(text, choices)
        assert found.differ or found.chosen() == found.chosen("texts") == place
        letter = Readings.of("ABCD"[place], choices)
        assert letter.differ or letter.chosen() == letter.chosen("letters") == place
