"""Which choice an answer names."""

import pytest

from medix.data.sources.table_choices import choice_of, choices_in, lettered, without_label, without_labels


@pytest.mark.parametrize(
    ("answer", "choices", "index"),
    [
        (" Left ", ["left", "right"], 0),
        ("b", ["left", "right"], 1),
        ("A", ["B", "A"], 1),  # the text of a choice comes before its letter
        ("C", ["left", "right"], None),
        ("2", ["left", "right"], None),
        ("same", ["same", "Same"], None),
    ],
)
def test_an_answer_names_a_choice_by_text_or_letter(answer: str, choices: list[str], index: int | None) -> None:
    assert choice_of(answer, choices) == index


def test_labels_are_taken_away_where_all_choices_have_theirs() -> None:
    assert without_labels(["A. x", "B) y"]) == without_labels(["(A) x", "(B)y"]) == ["x", "y"]
    assert without_labels(["A. x", "C. y"]) == ["A. x", "C. y"]
    assert without_labels(["A. x", "B."]) == ["A. x", "B."]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("B. right", "right"), ("b) Right", "right"), ("B:right", "right"), ("A. right", "A. right"), ("B", "B"),
        ("B.", "B."), ("right", "right"), ("D. right", "D. right"), ("C. C. x", "C. x"), ("C. x", "C. x"), ("", ""),
        ("(b) right", "right"), ("(A) right", "(A) right"),
    ],
)  # fmt: skip
def test_an_answer_may_repeat_a_choice_with_its_label(answer: str, found: str) -> None:
    assert without_label(answer, ["left", "right", "C. x"]) == found


@pytest.mark.parametrize("choices", [["left", "right"], ["C", "c"], ["one\ntwo", "B. x", "?"], ["x"] * 30, []])
def test_choices_below_a_question_are_found_again(choices: list[str]) -> None:
    asked = "A. baumannii\nA. or B.\n\nWhich?"
    assert choices_in("\n\n".join(filter(None, [asked, lettered(choices)]))) == choices


def test_choices_of_another_form_are_found_in_a_question() -> None:
    assert choices_in("Which side? (A) left (B) right (C) both") == ["left", "right", "both"]
    assert choices_in("Which?\nA) left\nB) right") == ["left", "right"]
    assert choices_in("Is it A. baumannii?") == []
