"""Whether a text claims what it names."""

import pytest

from medix.evaluation.claim import Claims


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("It is B.", "claimed"),
        ("There is no gas. It is B.", "claimed"),
        ("There is no gas, so it is B.", "claimed"),
        ("It may look like gas; it is B.", "claimed"),
        ("It is B because no gas is seen.", "claimed"),
        ("It is B. The other choices are not likely.", "claimed"),
        ("It is not B.", "denied"),
        ("B is excluded.", "denied"),
        ("B, which is wrong.", "denied"),
        ("It is B or C.", "denied"),
        ("If there is gas, it is B.", "unclear"),
        ("It is B if there is gas.", "unclear"),
        ("Is it B?", "unclear"),
        ("It is B, but gas speaks against it.", "unclear"),
        ("It is B. No, wrong.", "unclear"),
        ("It is B.\n\nHowever, there is gas.", "unclear"),
        ("It is B. There is gas. Correction: it is none.", "unclear"),
    ],
)
def test_words_around_a_place_say_whether_it_is_claimed(text: str, wanted: str) -> None:
    place = text.index("B")
    assert Claims(text, "ABCD").standing(place, place + 1) == wanted


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("The liver is large.", True), ("Is it the liver?", False), ("The liver, perhaps.", False),
     ("The liver. But no.", False), ("The liver would be large.", False)],
)  # fmt: skip
def test_a_statement_is_neither_a_question_nor_a_guess_nor_taken_back(text: str, is_one: bool) -> None:
    assert Claims(text, "").is_statement(0, len(text.split(". ", maxsplit=1)[0])) is is_one


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("It is B.", False), ("It is B, not A.", False), ("B over A", False), ("B. A gas bubble is seen.", False),
     ("B. I say D.", True), ("B and C", True), ("B (or D)", True), ("B. A is right.", True), ("B. Vitamin K", False)],
)  # fmt: skip
def test_a_letter_of_another_choice_counts_unless_it_is_excluded(text: str, is_one: bool) -> None:
    assert Claims(text, "ABCD").names_another(0, "B") is is_one
