"""Choices of a question, and which of them an answer names."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any
from unicodedata import normalize

from medix.data.partition import NOTHING
from medix.data.sources.class_label import Label
from medix.data.sources.written_value import written_out
from medix.judge.clinical.text import is_same
from medix.judge.options import letter_and_text, lone_letter, read_options, without_emphasis

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Of choices, in their order."""

WORDS_UNUSED, WORD_CHOSEN = "words for unused choices", "word for nothing as the last choice"
"""Keys of counts: what was decided about a row of CSV that has a column for each choice."""

ANSWERED_OTHERWISE = "answer that is not the right choice"
"""Key of a count: a row whose answer is not the choice that its number or letter names, nor another one."""

_LETTER = "[A-Za-z\uff21-\uff3a\uff41-\uff5a]"
_LABELLED = re.compile(
    rf"(?:[(\uff08]({_LETTER})[)\uff09]|({_LETTER})[:.)\uff0e\u3001\u3002\uff1a\uff09])(.*)", re.DOTALL
)  # also of full width
_HEAD = "Choices:\n"
_QUOTES = "\"'\u2018\u201c\u00ab\u300c"
_ANY_LETTER, _ANY_NUMBER = (
    re.compile(
        rf"(?<![a-z0-9_])[(\[]?({label})[\"']?(?:[.):\]\u3001\u3002]+| ?(?:[-=]>|[=\u2192])|(?= [-\u2013] ))"
        rf"(?: [-\u2013] )? ?[{_QUOTES}]?"
    )
    for label in ("[a-z]", "[1-9][0-9]?")
)
"""A label in lower case: ``a.``, ``(a)``, ``[a]``, ``a -``, ``a =``, ``a ->``, ``"a":``, ``1.``; a quote may follow."""
_CIRCLED = re.compile("[\u2460-\u2473\u24b6-\u24e9]")
"""Numbers and letters that are their own labels."""


def letter_index(text: str, count: int) -> int | None:
    """The number of the choice whose letter a text is, however it is written (``b``, ``(B)``, ``B.``, ``Option B``).

    None if it is no letter of so many choices.
    """
    letter = lone_letter(_typed(text))
    place = LETTERS.find(letter) if letter else -1
    return place if 0 <= place < count else None


def _typed(text: str) -> str:
    """A text with letters, brackets and stops of full width, as they are typed in East Asia, as others type them."""
    return normalize("NFKC", text).rstrip(" \u3002\u3001")


def lettered_label(value: Any, count: int) -> int | None:
    """The number of a label whose names are A, B, …: the choice, even if the text of another one is this letter."""
    return int(value) if isinstance(value, Label) and letter_index(value.name, count) == value else None


def choice_of(answer: str, choices: Sequence[str]) -> int | None:
    """The choice that an answer repeats, or names by its letter where no other choice is that letter."""
    if same := places_of(answer, choices):
        return same[0] if len(same) == 1 else None
    named = letter_index(answer, len(choices))
    return None if set(places_of(lone_letter(_typed(answer)), choices)) - {named} else named


def places_of(text: str, choices: Sequence[str]) -> list[int]:
    """The choices whose text this is, but for case and spaces; if there is none, but for stops and commas behind it.

    Choices may differ in no more than what is no difference elsewhere: order, plural, a hyphen.
    """
    for form in (_words, _letters):
        wanted = form(text)
        if wanted and (found := [place for place, choice in enumerate(choices) if form(choice) == wanted]):
            return found
    return []


def _words(text: str) -> str:
    return " ".join(text.casefold().split())


def _letters(text: str) -> str:
    found = "".join(text.casefold().split()).rstrip(".,;")
    return found if len(found) > 1 else ""  # "B." may be the letter of a choice


def repeats(answer: str, choices: Sequence[str], place: int) -> bool:
    """Whether an answer is the letter of a choice, its text, or both."""
    text = without_label(answer, choices)
    return letter_index(answer, len(choices)) == place or text.casefold() == choices[place].casefold()


def is_written_as(answer: str, choices: Sequence[str], place: int) -> bool:
    """Whether an answer repeats a choice, but for punctuation and the like, and no other one."""
    text = without_label(answer, choices)
    if _is_repeated(answer, choices):
        return repeats(answer, choices, place) or place in places_of(text, choices)
    return {one for one in choices if is_same(text, one)} == {choices[place]}


def names_other(answer: str, choices: Sequence[str], right: int | None) -> bool:
    """Whether an answer names another choice than the right one by its text or its letter; any, if none is right.

    So does the text of one with the letter of another.
    """
    if right is not None and is_written_as(answer, choices, right):
        return False
    said = (answer, _labelled(answer)[1])
    return _is_repeated(answer, choices) or any(is_same(text, choice) for text in said for choice in choices)


def _is_repeated(answer: str, choices: Sequence[str]) -> bool:
    """Whether an answer is the letter of a choice or, with a label or without, the text of one."""
    is_letter = letter_index(answer, len(choices)) is not None
    return is_letter or any(places_of(text, choices) for text in (answer, _labelled(answer)[1]))


def listed(given: Any) -> Sequence[Any]:
    """A list, the values of an object by letter, or the list that a text writes out.

    Raises:
        ValueError: it is none of these.
    """
    if isinstance(given, str) and given.strip()[:1] in ("[", "{"):
        given = written_out(given)
    if isinstance(given, Mapping):
        held = {str(key): value for key, value in given.items() if value is not None}
        if sorted(held) != list(LETTERS[: len(held)]):
            raise ValueError("the keys are not the letters A, B, … without a gap")
        return [held[letter] for letter in sorted(held)]
    if not isinstance(given, list | tuple):
        raise ValueError("give a list, an object from letters to texts, or several columns")
    return given


def without_unused(texts: Sequence[str], is_nothing: Callable[[str], bool]) -> list[str]:
    """Columns of choices without the last ones that a shorter question does not use.

    They hold the same word for nothing: no question has a choice twice. A single word is a choice, whatever the answer
    is, because it would give the answer away if it stood only where it is right; unless all the others, and not it,
    have their letters in front.

    Args:
        texts: of all columns, without empty ones at the end.
        is_nothing: whether a text is a word for nothing.
    """
    word, used = texts[-1] if texts else "", list(texts)
    if not word or not is_nothing(word):
        return used
    while used and used[-1] == word:
        used.pop()
    is_single = len(used) == len(texts) - 1
    return list(texts) if is_single and without_labels(used) == used else used


def without_labels(texts: Sequence[str]) -> list[str]:
    """Choices without the ``A:``, ``B.``, ``(C)``, … that all of them begin with."""
    found = [_split(text) for text in texts[:26]]
    labelled = [letter == LETTERS[place] and bool(text) for place, (letter, text) in enumerate(found)]
    return [text for _, text in found] if 2 <= len(texts) <= 26 and all(labelled) else list(texts)


def without_label(answer: str, choices: Sequence[str]) -> str:
    """The choice that an answer repeats with its label, as in ``B. right``; another answer as it is."""
    letter, text = _labelled(answer)
    place = letter_index(letter, len(choices))
    repeated = place in places_of(text, choices) and not places_of(answer, choices)
    return choices[place or 0] if repeated else answer


def _labelled(answer: str) -> tuple[str, str]:
    """As ``_split``, of an answer, which may also say ``Option B: right``."""
    found = _split(answer)
    return found if found[0] else letter_and_text(answer.strip())


def _split(text: str) -> tuple[str, str]:
    """The letter that a text has as its label, empty if it has none, and what follows."""
    match = _LABELLED.match(text)
    return (_typed(match[1] or match[2]), match[3].strip()) if match else ("", text)


def lettered(choices: Sequence[str]) -> str:
    """Choices as they stand below a question; empty if there are none."""
    return _HEAD + "\n".join(f"{_letter(place)}. {text}" for place, text in enumerate(choices)) if choices else ""


def choices_in(question: str) -> list[str]:
    """The choices that stand in a question, whoever wrote them there; none if there is no clear list."""
    return _below(question) or [*(found.texts.values() if (found := read_options(question)) else ())]


def lists_in_order(question: str, choices: Sequence[str]) -> bool:
    """Whether a question lists the choices, and nothing else, with their letters."""
    found = choices_in(question)
    return len(found) == len(choices) and all(place in places_of(text, choices) for place, text in enumerate(found))


def lists_otherwise(question: str, choices: Sequence[str]) -> bool:
    """Whether a question gives all choices letters or numbers, however they are written, but not those of their order.

    Each letter would be two choices.
    """
    found = [place for text in choices_in(question) for place in places_of(text, choices)]
    if found != sorted(found) == list(range(len(choices))):
        return True
    asked = _words(_typed(_CIRCLED.sub(r" \g<0>. ", without_emphasis(question))))
    texts = [_words(_typed(without_emphasis(text))).rstrip(".,; ") for text in choices]
    for kind in (_ANY_LETTER, _ANY_NUMBER):
        named = set()
        for label in kind.finditer(asked):
            text = max((one for one in texts if asked.startswith(one, label.end())), key=len, default="")
            after = asked[label.end() + len(text) :][:1]
            if text and not (after.isalnum() and after.isascii() == text[-1].isascii()):
                place = LETTERS.find(label[1].upper()) if kind is _ANY_LETTER else int(label[1]) - 1
                named.add((place, texts.index(text)))
        labels, held = ({pair[end] for pair in named} for end in (0, 1))
        if labels == held == set(range(len(choices))) and any(label != place for label, place in named):
            return True
    return False


def _below(question: str) -> list[str]:
    _, found, rest = question.rpartition(f"\n\n{_HEAD}{_letter(0)}. ")
    choices = []
    for place in count(1) if found else ():
        text, is_followed, rest = rest.partition(f"\n{_letter(place)}. ")
        choices.append(text)
        if not is_followed:
            break
    return choices


def _letter(place: int) -> str:
    return chr(ord("A") + place)


def choice_notes(counts: Counter[str]) -> list[str]:
    """What was decided about the choices of rows, as sentences."""
    words = ", ".join(sorted(NOTHING))
    sentences = {
        WORDS_UNUSED: f"rows whose last columns of choices hold the same word ({words}), which are no choices of them",
        WORD_CHOSEN: f"rows whose last choice is such a word as {words}; if that means nothing, leave the cell empty",
        ANSWERED_OTHERWISE: "rows whose answer is neither the letter nor the text of the choice that their number or "
        "letter says is right, and is accepted beside it",
    }
    return [f"{text}: {counts[key]:,}" for key, text in sentences.items() if counts[key]]
