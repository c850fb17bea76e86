# ruff: noqa: RUF001 - quotation marks of all kinds, and letters and brackets of full width
"""Options listed in a question, and the one that a text names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from unicodedata import normalize

from medix.judge.clinical.literal import literal
from medix.judge.clinical.text import normalise

_LETTER = "A-Za-zＡ-Ｚａ-ｚ"
# behind bullets and marks of Markdown "A. x", "A) x", "A: x", "(A) x", and as in East Asia "（A）x", "A、x"
_AT_START = re.compile(rf"^[^\w\n]*([{_LETTER}])\**[.):．、：）](?:\*+(?=[ \t]))?(?=[ \t\u3000]*\S)", re.MULTILINE)
_LEAD = r"(?:(?:the\s+)?(?:correct\s+)?(?:answer|option|choice)(?:\s+is)?\s*:?\s*)?"
_LABEL_AND_TEXT = re.compile(
    rf"{_LEAD}(?:\(([A-Z])\)\s*|([A-Z])\s*(?!\.\d)[.):]\s*|([A-Z])\s+[-–]\s+)(\S.*)", re.IGNORECASE | re.DOTALL
)  # "A .5 mg" may be half a milligram
_LONE = re.compile(rf"{_LEAD}[\s'\"“”‘’(\[]*([A-Z])[\s'\"“”‘’)\].,;:!]*", re.IGNORECASE)
STRESSED = re.compile(r"(?<![\w*_`$])([*_`$]{1,3})(?=\S)([^\n*_`$]+?)\1(?![\w*_`$])")  # not "2*5", "T2*"
"""A text between marks of Markdown or mathematics, its second group."""
_NO_WORD_BEFORE, _NO_WORD_AFTER = "(?<![A-Za-z0-9])", "(?![A-Za-z0-9])"  # also beside Chinese, as in "A型"
_LONGEST = 2000  # longer answers are taken to name no single option
_FEWEST = 2
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Of choices, in their order."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a question.

    Attributes:
        texts: by capital letter, from A without a gap, with their marks; no two have the same words.
        stem: what stands before the list, without white space around it.
    """

    texts: Mapping[str, str]
    stem: str = ""

    def letter_of(self, text: str) -> str | None:
        """The option that a text names, by letter, text or both; None if it names none or several, or is ambiguous."""
        if len(text) > _LONGEST or "\n" in text.strip():  # a list, perhaps
            return None
        text = without_emphasis(text)
        label, rest = self._label(text)
        named = self._written(text)
        if begins_with_bare_a(text):
            is_both = _is_option(text.split(maxsplit=1)[1], self.texts.get("A", ""))
            if is_both or not any(begins_with_bare_a(self.texts[letter]) for letter in named):
                return None
        if label:
            if not rest and self._is_in_other(label):
                return None
            label = label.upper()
            if rest and self._written(rest) != {label}:
                return None
            named.add(label)
        return named.pop() if len(named) == 1 else None

    def _label(self, text: str) -> tuple[str, str]:
        """The letter of an option, as written, that a text consists of or begins with, and what follows; else empty."""
        match = _LONE.fullmatch(text)
        letter, rest = (match[1], "") if match else letter_and_text(text)
        return (letter, rest) if letter.upper() in self.texts else ("", "")

    def _written(self, text: str) -> set[str]:
        """The options that a text equals literally."""
        return {letter for letter, option in self.texts.items() if _is_option(text, option)}

    def _is_in_other(self, letter: str) -> bool:
        """Whether a letter may stand for "vitamin D" or "statement d", the text of another option; no article is."""
        letter = letter.upper()
        small, *labels = letter.lower(), *map(str.lower, self.texts)
        if letter == "A" and not any(_stands_in("|".join(labels[1:]), text) for text in self.texts.values()):
            small = r"a(?!\s+\w)"  # the article of "a fracture"; "a only" stands beside "b only"
        others = (text for other, text in self.texts.items() if other != letter)
        return any(_stands_in(f"{letter}|{small}", text) for text in others)


def _stands_in(letters: str, text: str) -> bool:
    """Whether one of some letters, a pattern, is a word of a text."""
    return re.search(rf"{_NO_WORD_BEFORE}(?:{letters}){_NO_WORD_AFTER}", text) is not None


def _is_option(text: str, option: str) -> bool:
    """Whether a text without emphasis equals an option literally; nothing equals an option of marks alone."""
    return _of_any_case(literal(text)) == _of_any_case(literal(without_emphasis(option))) != ""


def _of_any_case(text: str) -> str:
    """With an article in small letters, as within a sentence."""
    return text[0].lower() + text[1:] if text.startswith(("A ", "An ")) else text


def without_emphasis(text: str) -> str:
    """The text with single spaces, without the marks of Markdown around what it stresses."""
    return " ".join(STRESSED.sub(r"\2", text).split())


def lone_letter(text: str) -> str:
    """The letter, a capital, that a text consists of but for a label and punctuation; empty if it says more."""
    match = _LONE.fullmatch(without_emphasis(text[:_LONGEST]))
    return match[1].upper() if match else ""


def letters_alone(letter: str, text: str) -> int:
    """How often a letter, large or small, is a word of a text, also beside Chinese and the like."""
    word = rf"{_NO_WORD_BEFORE}{letter}{_NO_WORD_AFTER}"
    return len(re.findall(word, normalize("NFKC", text), re.IGNORECASE))


def letter_and_text(text: str) -> tuple[str, str]:
    """The letter that stands before an answer (``B. right``, ``Option B: right``), and what follows; else empty."""
    match = _LABEL_AND_TEXT.fullmatch(text)
    return (match[1] or match[2] or match[3], match[4]) if match else ("", "")


def is_letter_and_text(text: str, texts: Mapping[str, str]) -> bool:
    """Whether a text is the letter of one option and the text of another, as "A" of "A. AB, B. A, C. B, D. O"."""
    letter = lone_letter(text)
    return letter in texts and any(_is_option(letter, option) for other, option in texts.items() if other != letter)


def begins_with_bare_a(text: str) -> bool:
    """Whether an "A" opens the text that may be the article or the letter: "A fracture", not "A. fracture" or "A"."""
    return re.match(r"\s*[Aa]\s+\w", text) is not None


def choice_letter(place: int) -> str:
    """The letter of the choice at a place, from 0.

    Raises:
        ValueError: no letter is left for it.
    """
    if place >= len(LETTERS):
        raise ValueError(f"choices: {place + 1} of one question, and there are {len(LETTERS)} letters; keep fewer")
    return LETTERS[place]


@lru_cache(maxsize=4096)
def read_options(question: str) -> Options | None:
    """The options listed in a question, each in a line that begins with its letter; None if there is no clear list.

    Lists within a line are not read: letters may stand before their texts or behind them. Not clear are letters that do
    not run from A without a gap, a letter but the first that stands elsewhere too (in another list, perhaps, of
    whatever form), a line without one among or behind the others (the rest of an option, perhaps, or the question that
    the list belongs to), an option without text, and two options with the same words.
    """
    labels = list(_AT_START.finditer(question))
    letters = normalize("NFKC", "".join(label[1] for label in labels))
    capitals = LETTERS[: len(letters)]
    if len(letters) < _FEWEST or letters not in (capitals, capitals.lower()):
        return None
    if any(letters_alone(letter, question) > 1 for letter in letters[1:]):
        return None
    starts = [label.start() for label in labels]
    lines = [question[start:end].strip() for start, end in pairwise(starts)]
    lines.append(question[starts[-1] :].strip())
    if any("\n" in line for line in lines):
        return None
    texts = [question[label.end() :].partition("\n")[0].strip() for label in labels]
    if not all(texts) or len({normalise(text).words for text in texts}) < len(texts):
        return None
    return Options(dict(zip(capitals, texts, strict=True)), question[: starts[0]].strip())
