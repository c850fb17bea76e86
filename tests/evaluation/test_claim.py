"""Whether a text claims what it names."""

import pytest

from medix.evaluation.claim import Claims
from medix.evaluation.spoken_choices import Place


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
    assert Claims(text).standing(place, place + 1) == wanted


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("The liver is large.", True), ("Is it the liver?", False), ("The liver, perhaps.", False),
     ("The liver. But no.", False), ("The liver would be large.", False)],
)  # fmt: skip
def test_a_statement_is_neither_a_question_nor_a_guess_nor_taken_back(text: str, is_one: bool) -> None:
    first = text.split(". ", maxsplit=1)[0]
    assert Claims(text).is_statement(first, len(first)) is is_one


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("The answer is B", True), ("So, in this case, I would choose B", True), ("No gas, so the answer is B", True),
     ("Given the gas, the answer is B", True), ("In children, the answer is B", False), ("They say it is B", False)],
)  # fmt: skip
def test_only_words_that_announce_an_answer_stand_before_it(text: str, is_one: bool) -> None:
    assert Claims(text).is_announced(text.index("B")) is is_one


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("B.", True), ("B because of gas", True), ("B, which is large", False), ("It is B, which is large", True),
     ("B is correct", True), ("B fails", False), ("The most likely cause of this is B", True),
     ("Another most likely cause is B", False), ("One cause is B", False), ("Kein B", False), ("B (CT)", True)],
)  # fmt: skip
def test_what_is_said_to_be_the_answer(text: str, is_one: bool) -> None:
    place = text.index("B")
    assert Claims(text).is_said(place, place + 1) is is_one


def test_what_is_stated_is_said_and_not_denied() -> None:
    for text, is_one in (("It is B.", True), ("It is B?", False), ("B fails", False), ("It is not B.", False)):
        place = text.index("B")
        assert Claims(text).is_stated(place, place + 1) is is_one, text


def test_the_text_of_a_choice_denies_nothing() -> None:
    text = "The answer is A: no change"
    place, no = text.index("A:"), text.index("no")
    assert Claims(text).standing(place, place + 1) == "denied"
    assert Claims(text, [Place(no, len(text), "D")]).standing(place, place + 1) == "claimed"


@pytest.mark.parametrize(
    ("text", "is_answer"),
    [
        ("gas", True),
        ("It is gas.", True),
        ("Gas.\n\nExplanation: it is dark.", True),
        ("Gas because it is dark. It is round.", True),
        ("The answer is gas. It is dark.", True),
        ("It is dark.\nThe answer is gas.", True),
        ("The organ is dark. Gas.", False),
        ("Gas.\n\nIt is dark.", False),
        ("Gas\nStones", False),
        ("1. Gas", False),
        ("The answer is gas. Stones.", False),
        ("The answer is gas; stones", False),
        ("The answer is gas, the stones and the cysts.", False),
        ("The most likely findings are gas. It is dark.", False),
        ("I, gas", False),
    ],
)
def test_a_text_is_the_whole_answer_or_announced_as_it(text: str, is_answer: bool) -> None:
    start = text.casefold().index("gas")
    assert Claims(text).is_answer(start, start + 3) is is_answer
