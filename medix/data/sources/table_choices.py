"""Choices of a question, and which of them an answer names."""

from collections.abc import Sequence
from typing import Any

from medix.data.sources.class_label import Label

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Of choices, in their order."""

_AFTER_LETTER = (":", ".", ")")


def letter_index(letter: str, count: int) -> int | None:
    """The number of a letter among so many choices; None if it is none of theirs."""
    place = LETTERS.find(letter.upper()) if len(letter) == 1 else -1
    return place if 0 <= place < count else None


def lettered_label(value: Any, count: int) -> int | None:
    """The number of a label whose names are A, B, …: the choice, even if the text of another one is this letter."""
    return int(value) if isinstance(value, Label) and letter_index(value.name, count) == value else None


def choice_of(answer: str, choices: Sequence[str]) -> int | None:
    """The choice that an answer repeats, or names by its letter where no choice is that letter."""
    same = [place for place, choice in enumerate(choices) if choice.casefold() == answer.strip().casefold()]
    if len(same) == 1:
        return same[0]
    return None if same else letter_index(answer.strip(), len(choices))


def without_labels(texts: Sequence[str]) -> Sequence[str]:
    """Choices without the ``A:``, ``B:``, … that all of them begin with."""
    labelled = [text[:1] == LETTERS[place] and text[1:2] in _AFTER_LETTER for place, text in enumerate(texts[:26])]
    if len(texts) < 2 or not all(labelled) or not all(text[2:].strip() for text in texts):
        return texts
    return [text[2:].strip() for text in texts]


def without_label(answer: str, choices: Sequence[str]) -> str:
    """The choice that an answer repeats with its label, as in ``B. right``; another answer as it is."""
    place = letter_index(answer[:1], len(choices))
    is_labelled = place is not None and answer[1:2] in _AFTER_LETTER
    is_same = is_labelled and answer[2:].strip().casefold() == choices[place or 0].casefold()
    is_choice = answer.casefold() in map(str.casefold, choices)
    return choices[place or 0] if is_same and not is_choice else answer
