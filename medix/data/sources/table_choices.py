"""Choices of a question, and the letters and texts that name them."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any
from unicodedata import normalize

from medix.data.partition import NOTHING
from medix.data.sources.class_label import Label
from medix.data.sources.written_value import written_out
from medix.judge.options import letter_and_text, lone_letter, without_emphasis

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Of choices, in their order."""

WORDS_UNUSED, WORD_CHOSEN = "words for unused choices", "word for nothing as the last choice"
"""Keys of counts: what was decided about a row of CSV that has a column for each choice."""

ANSWERED_OTHERWISE = "answer that is not the right choice"
"""Key of a count: a row whose answer is not the choice that its number or letter names, nor another one."""

NAMES_NONE = "answer that is no choice"
"""Key of a count: a row with choices whose answer is none of them."""

READ_AS_OTHERS = "answer that is read as others"
"""Key of a count: a row whose answer is the text of one choice and the letter or number of another."""

_LETTER = "[A-Za-z\uff21-\uff3a\uff41-\uff5a]"
_LABELLED = re.compile(
    rf"(?:[(\uff08]({_LETTER})[)\uff09]|({_LETTER})[:.)\uff0e\u3001\u3002\uff1a\uff09])(.*)", re.DOTALL
)  # also of full width
_HEAD = "Choices:\n"
_ANY_LETTER, _ANY_NUMBER = (
    re.compile(rf"(?<![a-z0-9])({label})(?![a-z0-9])([\W_]{{0,40}})") for label in ("[a-z]", "[1-9][0-9]?")
)
"""A label in lower case, with whatever marks stand behind it."""
_WORD_BEFORE = re.compile(r"([^\W_]+)[ #]*\Z")
_SPOKEN = frozenset(f"{word}{plural}" for word in ("option", "choice", "answer") for plural in ("", "s"))
_LINE_TAG, _STRESS_TAG, _TAG = (
    re.compile(rf"</?(?:{names})(?:\s[^<>\n]*)?/?>")
    for names in ("br|p|div|[ou]l|li|tr|option|table", "b|i|u|em|strong|code", "span|su[bp]|t[dh]|label")
)
_STRESSED = re.compile(r"[*_`]{1,9}([A-Za-z]|[1-9][0-9]?)[*_`]{1,9}(?=\s)")
_ONLY_MARKS = re.compile(r"[\W_]*(?:[0-9]{1,2}[.)][\W_]*)?")
"""Before the label of a line, which may have a number, too: ``1. A``."""
_CIRCLED = re.compile("[\u2460-\u2473\u24b6-\u24e9]")
"""Numbers and letters that are their own labels."""


def letter_index(text: str, count: int) -> int | None:
    """The number of the choice whose letter a text is, however it is written (``b``, ``(B)``, ``B.``, ``Option B``).

    None if it is no letter of so many choices.
    """
    letter = bare_letter(text)
    place = LETTERS.find(letter) if letter else -1
    return place if 0 <= place < count else None


def bare_letter(text: str) -> str:
    """The letter, a capital, that a text is, however it is written; empty if it says more."""
    return lone_letter(_typed(text))


def _typed(text: str) -> str:
    """A text with letters, brackets and stops of full width, as they are typed in East Asia, as others type them."""
    return normalize("NFKC", text).rstrip(" \u3002\u3001")


def lettered_label(value: Any, count: int) -> int | None:
    """The number of a label whose names are A, B, …: the choice, even if the text of another one is this letter."""
    return int(value) if isinstance(value, Label) and letter_index(value.name, count) == value else None


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


def label_and_text(answer: str) -> tuple[str, str]:
    """The letter of ``B. right`` or ``Option B: right``, and what follows; the letter is empty if there is none."""
    found = _split(answer)
    return found if found[0] else letter_and_text(answer.strip())


def _split(text: str) -> tuple[str, str]:
    """The letter that a text has as its label, empty if it has none, and what follows."""
    match = _LABELLED.match(text)
    return (_typed(match[1] or match[2]), match[3].strip()) if match else ("", text)


def lettered(choices: Sequence[str]) -> str:
    """Choices as they stand below a question; empty if there are none."""
    return _HEAD + "\n".join(f"{_letter(place)}. {text}" for place, text in enumerate(choices)) if choices else ""


def lists_in_order(question: str, choices: Sequence[str]) -> bool:
    """Whether a question gives all choices the letters of their order, in whatever form of list."""
    if found := _below(question):
        return len(found) == len(choices) and all(place in places_of(text, choices) for place, text in enumerate(found))
    return bool(choices) and _in_order(choices) <= _labels_before(question, choices, _ANY_LETTER)


def _in_order(choices: Sequence[str]) -> set[tuple[int, int]]:
    return {(place, place) for place in range(len(choices))}


def lists_otherwise(question: str, choices: Sequence[str]) -> bool:
    """Whether a question gives several choices letters or numbers, one not that of its order, and nowhere all these.

    Each letter would be two choices. Not the form of a list is read, but what stands before the texts of the choices:
    the question may list more than these, or fewer.
    """
    found = [_labels_before(question, choices, kind) for kind in (_ANY_LETTER, _ANY_NUMBER)]
    if any(_in_order(choices) <= pairs for pairs in found):
        return False
    return any(len(pairs) > 1 and any(label != place for label, place in pairs) for pairs in found)


def _labels_before(question: str, choices: Sequence[str], kind: re.Pattern[str]) -> set[tuple[int, int]]:
    """The places that letters, or numbers, directly before texts of choices stand for, with those of the choices.

    A word directly before the first label and before others makes no list, as in "Image 1: CT. Image 2: MRI", but for
    "option" and the like. Blanks alone are between label and text only at the beginning of a line, where no article is.
    Nothing is seen of choices that differ in capitals alone, and labels far behind the last choice are none ("(v)").
    """
    asked, texts = _plain(question), [_plain(text).rstrip(".,; ") for text in choices]
    if len(set(texts)) < len(texts):
        return set()
    found, firsts, end = list[tuple[str, tuple[int, int]]](), set[str](), 0
    for label in kind.finditer(asked):
        word = _word_before(asked, end, label)
        place = int(label[1]) - 1 if label[1].isdigit() else LETTERS.find(label[1].upper())
        if label.start() < end or place > len(choices) + 2 or not _is_label(asked, word, label):
            continue
        firsts |= {word} if place == 0 else set()
        starts = range(label.start(2), label.end() + 1)  # marks may be a part of the text: "-5"
        text, start = next(((text, start) for start in starts if (text := _text_at(asked, start, texts))), ("", 0))
        if text:
            end = start + len(text)
            found.append((word, (place, texts.index(text))))
    words = Counter(word for word, _ in found)
    return {pair for word, pair in found if words[word] == 1 or word not in firsts or not word or word in _SPOKEN}


def _word_before(asked: str, end: int, label: re.Match[str]) -> str:
    """The word directly before a label in its line, behind the text of the choice before; empty without one."""
    begin = asked.rfind("\n", 0, label.start()) + 1
    word = _WORD_BEFORE.search(asked, max(begin, end, label.start() - 40), label.start())
    return "" if word is None or word[1] in {"and", "or"} else word[1]


def _is_label(asked: str, word: str, label: re.Match[str]) -> bool:
    begin = asked.rfind("\n", 0, label.start()) + 1
    is_first = word in _SPOKEN or _ONLY_MARKS.fullmatch(asked, begin, label.start()) is not None
    marks = label[2].strip()
    return (marks != "," or not label[1].isdigit()) if marks else bool(is_first and label[2])


def _text_at(asked: str, start: int, texts: Sequence[str]) -> str:
    """The longest of the texts that stands there as whole words; letters of East Asia are words beside others."""
    found = [text for text in texts if text and asked.startswith(text, start)]
    behind = ((text, asked[start + len(text) :][:1]) for text in found)
    whole = [text for text, after in behind if not (after.isalnum() and after.isascii() == text[-1].isascii())]
    return max(whole, key=len, default="")


def _plain(text: str) -> str:
    """A text in lower case with its lines, without marks and tags that stress; a label that is stressed gets a mark."""
    text = _TAG.sub("", _STRESS_TAG.sub("*", _LINE_TAG.sub("\n", _CIRCLED.sub(r" (\g<0>) ", text))))
    lines = _STRESSED.sub(r"\1)", text).splitlines()
    return "\n".join(_words(_typed(without_emphasis(line))) for line in lines).strip()


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
        NAMES_NONE: "rows whose answer is none of their choices, so that no letter is right",
        READ_AS_OTHERS: "rows whose answer is the text of one choice and the letter or number of another, and is read "
        "as data.answers says, or as the column's other answers are",
    }
    return [f"{text}: {counts[key]:,}" for key, text in sentences.items() if counts[key]]
