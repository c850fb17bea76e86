"""Words that compare candidate and reference."""

import pytest

from medix.judge.comparison import concedes_wording, leads_to_verdict, says_otherwise, speaks_of_pair
from medix.judge.reply_text import QUOTED


@pytest.mark.parametrize(
    "text",
    ["both name the left lung", "the side differs", "5 mm is not 5 cm", f"{QUOTED} is {QUOTED}", "same organ"],
)
def test_a_comparison_speaks_of_the_pair(text: str) -> None:
    assert speaks_of_pair(text)
    assert speaks_of_pair(text, is_behind=True)


@pytest.mark.parametrize(
    "text", ["the heart is enlarged", "both lungs are clear", "loosely", f"{QUOTED}", "las respuestas son iguales"]
)
def test_a_finding_a_hedge_or_another_language_does_not(text: str) -> None:
    assert not speaks_of_pair(text)
    assert not leads_to_verdict(text)


def test_the_reference_alone_explains_a_verdict_and_leads_to_none() -> None:
    assert speaks_of_pair("the reference names the lung", is_behind=True)
    assert not leads_to_verdict("The reference names the lung")
    assert not leads_to_verdict("The candidate answer")


@pytest.mark.parametrize(
    ("text", "is_yes", "is_otherwise"),
    [
        ("the sides differ", True, True),
        ("the sides do not match", True, True),
        ("there is no difference", True, False),
        ("the wording differs", True, False),
        ("the sides differ, but both mean the same", True, False),
        ("they match in part", True, True),
        ("only the side differs", True, True),
        ("only the wording differs", True, False),
        ("it names a different organ", True, True),
        ("the names differ", True, False),
        ("they match", False, True),
        ("they do not match", False, False),
        ("it would match", False, False),
        ("the organ is the same, but not the side", False, False),
        ("the lung is clear", True, False),
    ],
)
def test_the_last_comparison_may_contradict_a_verdict(text: str, is_yes: bool, is_otherwise: bool) -> None:
    assert says_otherwise(text, is_yes) == is_otherwise


def test_a_concession_of_wording_is_no_difference() -> None:
    assert concedes_wording("although the wording differs, the meaning is the same")
    assert not concedes_wording("although the side differs, the organ is the same")
    assert not concedes_wording("although the wording differs")
