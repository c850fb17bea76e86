"""Texts as the audit compares them: in words, without case, punctuation and image markers."""

import re
import unicodedata
from collections.abc import Iterator

from medix.data.image_markers import MARKER

NGRAM = 13
"""Words in a row by which long texts are recognised, as in GPT-3's decontamination (arXiv:2005.14165, appendix C)."""

_WORD = re.compile(r"[^\W_]+")
_LETTERED_LINE = re.compile(r"^[ \t]*\(?([A-Za-z])[.:)]", re.MULTILINE)
_LETTERED = re.compile(r"(?<!\S)\(?([A-Za-z])[.:)]")
_HEADING = re.compile(r"\b(?:answer\s+)?(?:choices|options)\s*:?\s*$", re.IGNORECASE)


def words_of(text: str) -> list[str]:
    """Letters and digits in lower case, word by word; compatibility forms such as ½ and full-width letters in plain
    letters, markers of images left out."""
    if not text.isascii():
        # letter by letter: normalising a long run of combining marks at once takes quadratic time
        text = "".join(unicodedata.normalize("NFKC", char) for char in text)
    return _WORD.findall(MARKER.sub(" ", text).casefold())


def normalised(text: str) -> str:
    """The words of a text with single spaces; a text without letters and digits as it is, without white space."""
    return " ".join(words_of(text)) or " ".join(text.split())


def ngrams(words: list[str], size: int = NGRAM) -> Iterator[str]:
    """Every run of ``size`` words; none of a shorter text."""
    return (" ".join(words[start : start + size]) for start in range(len(words) - size + 1))


def choice_lines(question: str) -> tuple[str, list[str]]:
    """A question without its choices, and these without their letters, where each stands on a line of its own."""
    return _split(question, _LETTERED_LINE)


def stem_and_choices(question: str) -> tuple[str, list[str]]:
    """As ``choice_lines``; of a question that has none, choices within a line, such as ``(A) left (B) right``."""
    stem, choices = choice_lines(question)
    return (stem, choices) if choices else _split(question, _LETTERED)


def _split(question: str, lettered: re.Pattern[str]) -> tuple[str, list[str]]:
    """The text in front of the last list that begins with A and has a B, and what follows its letters."""
    marks = list(lettered.finditer(question))
    for first in reversed([place for place, mark in enumerate(marks) if mark[1].upper() == "A"]):
        own: list[re.Match[str]] = []
        for mark in marks[first:]:  # "E. coli" may stand in a choice: the next letter counts
            if mark[1].upper() == chr(ord("A") + len(own)):
                own.append(mark)
        if len(own) > 1:
            ends = [*(mark.start() for mark in own[1:]), len(question)]
            choices = [question[mark.end() : end] for mark, end in zip(own, ends, strict=True)]
            return _HEADING.sub("", question[: own[0].start()]), choices
    return question, []
