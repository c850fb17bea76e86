"""Literal comparison of texts, for rules that give credit without knowing what they read."""

import unicodedata


def literal(text: str) -> str:
    """The text with single spaces, without a leading "the" and final punctuation, and with plain words in lower case.

    A plain word is "No", or has three or more letters and no capital except the first: "AA" and "aa" differ, and so do
    "mM" and "mm".
    """
    words = unicodedata.normalize("NFC", text).split()
    return " ".join(_plain(word) for word in words).rstrip(".;,! ").removeprefix("the ")


def _plain(word: str) -> str:
    letters = word.strip(".,;:!?()")
    is_plain = letters == "No" or (len(letters) >= 3 and letters.isalpha() and letters.istitle())
    return word.lower() if is_plain else word


def is_literally_same(one: str, other: str) -> bool:
    """Whether two texts are literally equal, except for spacing, final punctuation and capitals that begin words."""
    return bool(literal(one)) and literal(one) == literal(other)
