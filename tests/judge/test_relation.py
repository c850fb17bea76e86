"""Relations between candidate and reference, and whether their words are understood."""

import re

import pytest

from medix.judge.comparison import says_otherwise
from medix.judge.relation import AGREES, DIFFERS, is_not_understood


@pytest.mark.parametrize(
    "sentence",
    [
        "The candidate strays from the reference",
        "it clashes with the reference answer",
        "The candidate is cognate to the reference",
        "The two answers clash",
        "They are incongruous",
        "The organ fits, but the candidate falls short of the reference",
    ],
)
def test_a_relation_in_other_words_is_not_understood(sentence: str) -> None:
    assert is_not_understood(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "The candidate matches the reference",
        "The candidate is at odds with the reference",
        "The candidate says left, the reference says right",
        "The candidate says left whereas the reference says right",
        "The candidate conveys the finding of the reference",
        "The candidate is more detailed than the reference",
        "The candidate is left lung",
        "Both are normal",
        "The eyes are normal",
        "No fracture is described",
        "",
    ],
)
def test_facts_and_what_is_known_are_understood(sentence: str) -> None:
    assert not is_not_understood(sentence)


def test_findings_that_are_consistent_with_a_disease_say_nothing_of_the_pair() -> None:
    assert re.search(AGREES, "consistent with the reference")
    assert re.search(AGREES, "they are consistent.")
    assert not re.search(AGREES, "consistent with pneumonia")


@pytest.mark.parametrize("word", ["inconsistent", "incompatible", "unrelated", "irrelevant", "inaccurate", "lacks"])
def test_a_negative_form_is_a_difference(word: str) -> None:
    assert re.fullmatch(DIFFERS, word)
    assert says_otherwise(f"The candidate is {word}", is_yes=True)
    assert not says_otherwise(f"The candidate is {word}", is_yes=False)


@pytest.mark.parametrize("words", ["is consistent with the reference", "is accurate", "is in line with the reference"])
def test_agreement_contradicts_a_no_and_its_denial_a_yes(words: str) -> None:
    assert says_otherwise(f"The candidate {words}", is_yes=False)
    assert not says_otherwise(f"The candidate {words}", is_yes=True)
    assert says_otherwise(f"The candidate {words.replace('is ', 'is not ')}", is_yes=True)
