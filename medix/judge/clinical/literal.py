# ruff: noqa: RUF001 - dashes and signs of all kinds are what is looked for
"""Literal comparison of texts, and symbols that reverse a finding.

``clinical.text`` compares words and drops symbols. That suffices for a guard, which only removes credit, and for a
judge that is known to be strict; a rule that gives credit must not ignore the minus of "Rh -".
"""

import re
import unicodedata

_PLAIN_SIGNS = str.maketrans(
    dict.fromkeys("‐‑‒–—−﹣－", "-") | dict.fromkeys("＋⁺", "+") | {"⬆": "↑", "⇑": "↑", "⬇": "↓", "⇓": "↓"}
)
# A hyphen is a sign before or after white space, brackets and the like, and between numbers; in "X-ray" it is none,
# nor is one with a space behind it that opens a line: a list has such.
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
    """The symbols of a text in order: plus and minus, arrows, sexes; not comparators, which belong to numbers."""
    return tuple(match.group().strip() for match in _SIGN.finditer(text.translate(_PLAIN_SIGNS)))


def signs_differ(one: str, other: str) -> str | None:
    """A pair of opposite symbols of which each text contains another one alone, in words; None if there is none."""
    first, second = set(signs(one)), set(signs(other))
    for pair in _OPPOSED:
        for here, there in (pair, pair[::-1]):
            if here in first - second and there in second - first:
                return f"signs: {here} against {there}"
    return None
