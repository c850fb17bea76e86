"""Which choice an answer names."""

import pytest

from medix.data.sources.table_choices import choice_of, without_label, without_labels


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
    assert without_labels(["A. x", "B) y"]) == ["x", "y"]
    assert without_labels(["A. x", "C. y"]) == ["A. x", "C. y"]
    assert without_labels(["A. x", "B."]) == ["A. x", "B."]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ("B. right", "right"), ("b) Right", "right"), ("B:right", "right"), ("A. right", "A. right"), ("B", "B"),
        ("B.", "B."), ("right", "right"), ("D. right", "D. right"), ("C. C. x", "C. x"), ("C. x", "C. x"), ("", ""),
    ],
)  # fmt: skip
def test_an_answer_may_repeat_a_choice_with_its_label(answer: str, found: str) -> None:
    assert without_label(answer, ["left", "right", "C. x"]) == found
