# ruff: noqa: RUF001 - this module searches for dashes and signs of all kinds
"""Literal comparison of texts, and symbols that reverse a finding.

``clinical.text`` compares words and drops symbols. This suffices for a guard, which only removes credit, and for a
judge that is known to be strict; a rule that gives credit must not ignore the minus sign of "Rh -".
"""

import re
import unicodedata

_PLAIN_SIGNS = str.maketrans(
    dict.fromkeys("‐‑‒–—−﹣－", "-") | dict.fromkeys("＋⁺", "+") | {"⬆": "↑", "⇑": "↑", "⬇": "↓", "⇓": "↓"}
)
# A hyphen counts as a sign next to white space, brackets and similar, and between numbers. The hyphen in "X-ray" does
# not count, and neither does a list marker: a hyphen at the start of a line, followed by a space.
_SIGN = re.compile(
    r"[+±↑↓→←↔♀♂✓✔✗✘∅≠‰⁻]|(?<![<>])=|(?<=\w)\*(?![\w*])|-(?=\s*(?:$|[),.;/\]]|ve\b))|(?<=[^\w\n])-(?=\s*\w)|^-(?=\w)|(?<=\d)\s*-(?=\s*[A-Za-z]?\d)",
    re.MULTILINE,
)
_OPPOSED = (("+", "-"), ("↑", "↓"), ("→", "←"), ("♀", "♂"), ("✓", "✗"))


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


def signs(text: str) -> tuple[str, ...]:
    """The symbols of a text in order: plus and minus, arrows, sex symbols; not comparators, which belong to numbers."""
    return tuple(match.group().strip() for match in _SIGN.finditer(text.translate(_PLAIN_SIGNS)))


def signs_differ(one: str, other: str) -> str | None:
    """Describe two opposite symbols of which each text contains only one; None if there are none."""
    first, second = set(signs(one)), set(signs(other))
    for pair in _OPPOSED:
        for symbol, opposite in (pair, pair[::-1]):
            if symbol in first - second and opposite in second - first:
                return f"signs: {symbol} against {opposite}"
    return None
