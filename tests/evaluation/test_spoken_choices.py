# ruff: noqa: RUF001 - typographic dashes
"""Which choices a text speaks of, and which of them it dismisses."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.evaluation.spoken_choices import SpokenChoices, blanked, letters_alone

ORGANS = {"A": "stomach", "B": "liver", "C": "gall bladder", "D": "liver cyst"}


def spoken(text: str, choices: dict[str, str] = ORGANS) -> SpokenChoices:
    found = SpokenChoices.of(text, choices)
    assert found is not None
    return found


def kept(text: str, choices: dict[str, str] = ORGANS) -> list[tuple[str, str]]:
    return [(text[one.start : one.end], one.letters) for one in spoken(text, choices).kept]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It is the liver.", [("liver", "B")]),
        ("A liver cyst is seen.", [("liver cyst", "D")]),  # no "liver", and no letter
        ("B. Liver", [("B. Liver", "B")]),
        ("The liver (B)", [("liver (B)", "B")]),
        ("D: liver", [("D", "D"), ("liver", "B")]),
        ("A is seen. I see gall-bladder", [("A", "A"), ("gall-bladder", "C")]),
        ("Vitamin E, T cells", []),
        ("(a) or (b)", [("(a)", "A"), ("(b)", "B")]),
    ],
)
def test_a_choice_is_spoken_of_by_its_letter_or_its_text(text: str, wanted: list[tuple[str, str]]) -> None:
    assert kept(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "It is not {}.", "B rather than {}", "neither {} nor C", "{} was ruled out", "{} is incorrect",
        "{}: Incorrect.", "{} – wrong",
        "{} is less likely than B", "{} does not fit.", "{} is not the correct answer",
        "{}, C and D are unlikely, because there is no gas", "{}, which is wrong",
    ],
)  # fmt: skip
@pytest.mark.parametrize("choice", ["A", "(A)", "stomach", "A. Stomach"])
def test_words_beside_a_choice_dismiss_it(text: str, choice: str) -> None:
    found = spoken(text.format(choice))
    assert "A" in {place.letters for place in found.dismissed}
    assert "A" not in {place.letters for place in found.kept}
    assert not found.only("A")


@pytest.mark.parametrize(
    "text",
    [
        "{}", "It is {}.", "not only {}", "It is not gas but {}", "{} is incorrect?", "{} is wrong only in children",
        "I doubt that {} is incorrect", "Nobody says that {} is wrong", "{} is not the only correct answer",
        "Rule out {}", "It is over the {}", "{}; B is unlikely",
        "{} and B is unlikely", "{}\n\nB is incorrect", "{}, not seen before", "Why not {}?",
        "{}\n- incorrect are the others", "There is no gas. {}", "{} would be wrong if there were gas",
    ],
)  # fmt: skip
@pytest.mark.parametrize("choice", ["A", "stomach"])
def test_other_words_do_not(text: str, choice: str) -> None:
    assert "A" in {place.letters for place in spoken(text.format(choice)).kept}
    assert not spoken(f"{text.format(choice)}\n\nAnswer: B").only("B")


def test_of_choices_with_the_same_words_the_sign_says_which_is_meant() -> None:
    signs = {"A": "↑ calcium", "B": "↓ calcium", "C": "-80", "D": "80"}
    assert kept("It is ↓ calcium.", signs) == [("calcium", "B")]
    assert kept("calcium", signs) == [("calcium", "")]
    assert not spoken("A. Calcium", signs).only("A")
    assert kept("It is –80.", signs) == [("80", "C")]
    assert kept("x", {"A": "x", "B": "x"}) == [("x", "AB")]


def test_a_choice_without_words_is_looked_for_as_it_is_written() -> None:
    assert kept("It is ↓  ↑.", {"A": "↓ ↑", "B": "↑ ↑"}) == [("↓  ↑", "A")]
    assert kept("It is ++ (–)", {"A": "+", "B": "-"}) == [("–", "B")]
    assert kept("x", {"A": "", "B": " "}) == []


def test_a_letter_that_is_the_text_of_another_choice_is_not_clear() -> None:
    groups = {"A": "O", "B": "A", "C": "B"}
    assert kept("A is seen", groups) == [("A", "")]
    assert kept("(A) is seen", groups) == [("(A)", "A")]
    assert kept("B. A", groups) == [("B. A", "B")]  # a letter and the text of its choice
    assert kept("B. O", groups) == [("B", "B"), ("O", "A")]
    assert kept("B", {"A": "A", "B": "B"}) == [("B", "B")]


def test_without_a_letter_all_that_is_said_may_mix_a_choice_with_another() -> None:
    choices = {"A": "surgery", "B": "surgery + radiotherapy"}

    def mixes(text: str) -> bool:
        return spoken(text, choices).mixes(text, choices, "A")

    assert mixes("Surgery, then radiotherapy.")
    assert mixes("Surgery.\nPostoperative radiotherapy.")
    assert not mixes("Surgery.\nIt is safe.")
    assert mixes("A. Surgery, then radiotherapy.")
    assert not mixes("A. Surgery\n\nPostoperative radiotherapy comes later.")


def test_twice_are_places_of_a_letter_and_its_text() -> None:
    text = "The liver (B), not the liver. B is seen."
    assert [text[one.start : one.end] for one in spoken(text).twice] == ["liver (B)"]


def test_letters_stand_alone_and_texts_can_be_hidden() -> None:
    assert [place.letters for place in letters_alone("A fracture, AB, B-cell, type B, I", "ABI")] == ["B", "I"]
    places = spoken("B. Liver").texts
    assert len(set(blanked("B. Liver", places)[3:])) == 1
    assert blanked("B. Liver", places)[:3] == "B. "


@pytest.mark.parametrize("piece", ["(A) ", "liver ", "A is not ", "not A, ", "A or ", "liver stomach ", "B\n"])
def test_a_loop_is_read_in_time(piece: str) -> None:
    begin = time.thread_time()
    SpokenChoices.of((piece * 20_000)[:20_000], ORGANS)
    assert time.thread_time() - begin < 5  # 0.03 s were measured


@given(st.text(max_size=80), st.lists(st.text(max_size=6), min_size=1, max_size=5))
def test_places_are_in_order_and_within_the_text(text: str, choices: list[str]) -> None:
    found = spoken(text, dict(zip("ABCDE", choices, strict=False)))
    places = sorted([*found.kept, *found.dismissed])
    assert all(0 <= place.start < place.end <= len(text) for place in places)
    assert all(one.end <= other.start for one, other in pairwise(places))
