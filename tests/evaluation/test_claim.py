"""Whether a text claims what it names."""

import pytest

from medix.evaluation.claim import Claims, Place


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
    first = text.split(". ", maxsplit=1)[0]
    assert Claims(text, "").is_statement(first, len(first)) is is_one


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("It is B.", False), ("It is B, not A.", False), ("B over A", False), ("B. A gas bubble is seen.", False),
     ("B. I say D.", True), ("B and C", True), ("B (or D)", True), ("B. A is right.", True), ("B. Vitamin K", False)],
)  # fmt: skip
def test_a_letter_of_another_choice_counts_unless_it_is_excluded(text: str, is_one: bool) -> None:
    assert Claims(text, "ABCD").names_another(0, "B") is is_one


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("The answer is B", True), ("So, in this case, I would choose B", True), ("No gas, so the answer is B", True),
     ("Given the gas, the answer is B", True), ("In children, the answer is B", False), ("They say it is B", False)],
)  # fmt: skip
def test_only_words_that_announce_an_answer_stand_before_it(text: str, is_one: bool) -> None:
    assert Claims(text, "ABCD").is_announced(text.index("B")) is is_one


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("B.", True), ("B because of gas", True), ("B, which is large", False), ("It is B, which is large", True),
     ("B is correct", True), ("B fails", False), ("The most likely cause of this is B", True),
     ("Another most likely cause is B", False), ("One cause is B", False), ("Kein B", False), ("B (CT)", True)],
)  # fmt: skip
def test_what_is_said_to_be_the_answer(text: str, is_one: bool) -> None:
    place = text.index("B")
    assert Claims(text, "ABCD").is_said(place, place + 1) is is_one


def _claims(text: str, **texts: str) -> Claims:
    places = sorted(Place(text.index(one), text.index(one) + len(one), letter) for letter, one in texts.items())
    return Claims(text, "ABCD", places)


@pytest.mark.parametrize("before", ["", "Explanation: ", "Liver\n", "Reasoning - ", "It is old: "])
def test_a_text_says_what_it_neither_denies_nor_only_speaks_of(before: str) -> None:
    claims = _claims(f"It is not gas. The stone is old. {before}It is blood.", A="gas", B="stone", C="blood")
    assert [place.letters for place in claims.said] == ["C"]


def test_what_is_called_the_answer_is_said_however_the_sentence_goes_on() -> None:
    assert _claims("The answer is gas?", A="gas").said
    assert not _claims("It is gas?", A="gas").said


def test_a_sentence_goes_on_with_what_stands_before_any_reason() -> None:
    text = "B, namely gas, because a stone is old"
    assert text.index("gas") in Claims(text, "").clause_after(1)
    assert text.index("stone") not in Claims(text, "").clause_after(1)
    assert not Claims("B, not gas", "").clause_after(1)


def test_the_text_of_a_choice_denies_nothing() -> None:
    text = "The answer is A: no change"
    place = text.index("A:")
    assert Claims(text, "ABCD").standing(place, place + 1) == "denied"
    assert _claims(text, D="no change").standing(place, place + 1) == "claimed"
    assert text.index("no") in _claims(text, D="no change").clause_after(place + 1)
    assert _claims(text, D="no change").names_another(0, "D")


def test_a_letter_within_the_text_of_a_choice_names_no_other() -> None:
    text = "It is vitamin B."
    assert Claims(text, "ABCD").names_another(0, "C")
    assert not _claims(text, C="vitamin B").names_another(0, "C")
    assert _claims(text, C="vitamin B").names_another(0, "A")
    assert _claims(text, C="B").names_another(0, "C")
