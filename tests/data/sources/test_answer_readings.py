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
        ("(E)", ["A", "B", "E"], 2),
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


@pytest.mark.parametrize(
    ("answer", "index"),
    [
        ("B. right", 1), ("b) Right", 1), ("B:right", 1), ("(b) right", 1), ("Option B: right", 1),
        ("The answer is (B) right", 1), ("C. C. x", 2), ("C. x", 2), ("\uff22\uff0eright", 1), ("B. rights", None),
        ("E. other", None), ("", None),
    ],
)  # fmt: skip
def test_an_answer_may_repeat_a_choice_with_its_label(answer: str, index: int | None) -> None:
    found = Readings.of(answer, ["left", "right", "C. x"])
    assert [found.chosen(kind) for kind in ("", "texts", "letters")] == [
        index,
        index,
        None if answer == "C. x" else index,
    ]
    assert found.names_choice == (index is not None)


@pytest.mark.parametrize(
    ("answer", "choices", "told"),
    [
        ("A. right", ["left", "right"], "the text of the choice 'right' and the letter of 'left'; correct the letter"),
        ("B. AB", ["AB", "O", "B", "A"], "the text of the choice 'AB' and the letter of 'O'; correct the letter"),
        ("(E) left", ["left", "right"], "the text of the choice 'left' behind the letter of none; correct the letter"),
        ("A. a", ["A", "a"], "the text of the choice 'a' and the letter of 'A'; correct the letter or the text"),
    ],
)  # fmt: skip
def test_the_text_of_one_choice_behind_the_letter_of_another_is_a_fault(
    answer: str, choices: list[str], told: str
) -> None:
    found = Readings.of(answer, choices)
    for kind in ("", "texts", "letters"):
        assert found.chosen(kind) is None
        assert found.names_choice
        assert told in found.fault(choices, kind)
    assert found.kind == ""
    assert all(found.names_other(place) for place in range(len(choices)))


@pytest.mark.parametrize(
    ("answer", "choices", "kind", "told"),
    [
        ("same", ["same", "Same"], "", "the text of the choice 'same' or 'Same'; make the choices differ, or"),
        ("A", ["A", "a"], "texts", "'A' or 'a' and the letter of 'A'; make the choices differ"),
        ("y", ["x", "y"], "letters", "it is the text of the choice 'y', and the column holds letters, as data.ans"),
        ("3", ["1", "3", "4"], "letters", "the text of the choice '3' and the number of '4', and the column holds let"),
        ("B", ["x", "y"], "texts", "it is the letter of 'y', and the column holds texts, as data.answers or its other"),
    ],
)  # fmt: skip
def test_an_answer_that_is_not_as_its_column_is_a_fault(answer: str, choices: list[str], kind: str, told: str) -> None:
    found = Readings.of(answer, choices)
    assert found.chosen(kind) is None
    assert found.names_choice
    assert told in found.fault(choices, kind)


@given(
    st.lists(st.sampled_from([*"ABCDEx", *"012345", "AB", "vitamin D", "5.0"]), min_size=2, max_size=5, unique=True),
    st.integers(0, 4),
    st.sampled_from(["{}. {}", "({}) {}", "{}) {}", "{}: {}", "Option {}: {}", "{} - {}"]),
)
def test_a_label_with_the_text_of_its_choice_decides_and_says_nothing_of_other_answers(
    choices: list[str], number: int, form: str
) -> None:
    place = number % len(choices)
    found = Readings.of(form.format("ABCDE"[place], choices[place]), choices)
    assert {found.chosen(kind) for kind in ("", "texts", "letters")} == {place}
    assert found.kind == ""


def test_a_choice_that_is_like_another_one_with_its_label_is_another_one_only_if_it_is_equal() -> None:
    found = Readings.of("A. B", ["B", "A.B", "1"])
    assert [found.chosen(kind) for kind in ("", "texts", "letters")] == [0, 0, 0]
    found = Readings.of("A. B", ["B", "A. B", "1"])
    assert [found.chosen(kind) for kind in ("", "texts", "letters")] == [None, 1, 0]
    assert "the text of the choice 'A. B' and the letter of 'B'; state what the column" in found.fault(
        ["B", "A. B", "1"]
    )


@given(st.lists(st.sampled_from(["A", "B", "C", "D", "0", "1", "2", "x"]), min_size=2, max_size=4, unique=True))
def test_no_answer_is_taken_for_a_choice_that_is_not_the_only_one_it_may_be(choices: list[str]) -> None:
    for place, text in enumerate(choices):
        found = Readings.of(text, choices)
        assert found.differ or found.chosen() == found.chosen("texts") == place
        letter = Readings.of("ABCD"[place], choices)
        assert letter.differ or letter.chosen() == letter.chosen("letters") == place


@pytest.mark.parametrize(
    ("answer", "is_right", "is_other"),
    [
        ("A", True, False), ("(a)", True, False), ("Left", True, False), ("left.", True, False),
        ("A) left", True, False), ("Option A: left", True, False), ("B", False, True), ("(B)", False, True),
        ("B.", False, True), ("b)", False, True), ("Option B", False, True), ("right", False, True),
        ("Right.", False, True), ("B. right", False, True), ("B. left", False, True), ("A. right", False, True),
        ("Option B: right", False, True), ("sinister", False, False), ("A. baumannii", False, False),
        ("C", False, False),
    ],
)  # fmt: skip
def test_every_spelling_of_a_letter_names_its_choice(answer: str, is_right: bool, is_other: bool) -> None:
    found = Readings.of(answer, ["left", "right"])
    assert (found.is_written_as(0), found.names_other(0)) == (is_right, is_other)


def test_a_letter_that_is_the_text_of_another_choice_is_right_where_its_own_choice_is() -> None:
    found = Readings.of("A", ["B", "A"])
    assert not found.names_other(0)
    assert not found.names_other(1)


@pytest.mark.parametrize(
    ("right", "other"),
    [
        ("lobe", "lobes"), ("C5-C6", "C5 C6"), ("liver, spleen", "spleen, liver"), ("the lung", "lung"),
        ("T1-w", "T1w"), ("left", "left."), ("D,C,B,A", "A,B,C,D"),
    ],
)  # fmt: skip
def test_the_text_of_another_choice_is_another_one_however_little_they_differ(right: str, other: str) -> None:
    choices = [right, other, "x"]
    for spelling in ("{}", " {} ", "B. {}", "(b) {}", "A. {}", "Option B: {}"):
        found = Readings.of(spelling.format(other.upper()), choices)
        assert found.names_other(0)
        assert not found.is_written_as(0)
    for spelling in ("{}", " {} ", "A. {}"):
        assert not Readings.of(spelling.format(right.upper()), choices).names_other(0)


def test_an_answer_that_may_be_either_of_two_choices_is_not_taken_for_the_right_one() -> None:
    assert Readings.of("spleens and livers", ["liver, spleen", "spleen, liver"]).names_other(0)
    assert Readings.of("left", ["Left", "left"]).is_written_as(1)
