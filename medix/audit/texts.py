"""Texts as the audit compares them: in words, without case, punctuation and image markers."""

import re
import unicodedata
from collections.abc import Iterator

from medix.data.image_markers import MARKER

NGRAM = 13
"""Words in a row by which long texts are recognised, as in GPT-3's decontamination (arXiv:2005.14165, appendix C)."""

_WORD = re.compile(r"[^\W_]+")


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
