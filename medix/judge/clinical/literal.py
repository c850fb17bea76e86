# ruff: noqa: RUF001 - this module searches for dashes and signs of all kinds
"""Literal comparison of texts, and symbols that reverse a finding.

``clinical.text`` compares words and drops symbols. This suffices for a guard, which only removes credit, and for a
judge that is known to be strict; a rule that gives credit must not ignore the minus sign of "Rh -".
"""

import re
import unicodedata
from functools import lru_cache

_PLAIN_SIGNS = str.maketrans(
    dict.fromkeys("‐‑‒–—−﹣－➖", "-") | dict.fromkeys("＋⁺₊➕", "+") | {"₋": "⁻", "≈": "~", "∼": "~", "～": "~"}
    | dict.fromkeys("⬆⇑🔼🡅", "↑") | dict.fromkeys("⬇⇓🔽🡇", "↓") | dict.fromkeys("⬅⇐", "←") | dict.fromkeys("➡⇒➜➔", "→")
)  # fmt: skip
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
    found = (match.group().strip() for match in _SIGN.finditer(text.translate(_PLAIN_SIGNS)))
    return tuple("-" if sign == "⁻" else sign for sign in found)


def symbols(text: str) -> tuple[str, ...]:
    """The other symbols of a text in order, such as emoji; not those that begin a line, which are bullets.

    Private and unassigned characters and replacement characters count too: nobody knows what they stand for.
    """
    if text.isascii():
        return ()
    lines = (_BULLET.sub("", line) for line in text.translate(_PLAIN_SIGNS).splitlines())
    return tuple(char for line in lines for char in line if _is_symbol(char))


def is_decoration(char: str) -> bool:
    """Whether a text means the same without this symbol: bullets, trade marks, pictures, ticks; not a cross, a letter
    in a square or a thumb down, nor a mathematical symbol.
    """
    if unicodedata.category(char) != "So" or char in "°\N{REPLACEMENT CHARACTER}" or unicodedata.decomposition(char):
        return char in _MARKS
    return not _TELLING.search(unicodedata.name(char, ""))


_MARKS = frozenset("™℠\N{VARIATION SELECTOR-15}\N{VARIATION SELECTOR-16}")
_BULLET = re.compile(r"\s*[•●○◦◉■□▪▫◆◇▶▷►▸▹➢➤➣❖\uf0a7-\uf0d8](?=\s)")
# Names of symbols that say something of the text before them
_TELLING = re.compile(
    r"\b(?:PLUS|MINUS|CROSS|X|THUMBS?|SQUARED|CIRCLED|ARROWS?|UPWARDS|DOWNWARDS|UP|DOWN|NO|NOT|PROHIBITED|NEGATIVE|"
    r"POSITIVE|LETTER|DIGIT|NUMBER|REGIONAL)\b"
)


@lru_cache(maxsize=4096)
def _is_symbol(char: str) -> bool:
    if char in _READ or char in _MARKS or unicodedata.decomposition(char).startswith("<"):
        return False
    return unicodedata.category(char) in ("So", "Co", "Cn") or (unicodedata.category(char) == "Sm" and ord(char) > 127)


_READ = frozenset("±↑↓→←↔♀♂✓✔✗✘∅≠≤≥⩽⩾≦≧×÷⁄°®©")  # signs, comparators, and marks of names


def symbols_differ(one: str, other: str) -> str | None:
    """Describe other symbols of two texts: both have some and they differ, or one has some that are no decoration."""
    first, second = symbols(one), symbols(other)
    if first == second or (not (first and second) and all(map(is_decoration, first + second))):
        return None
    return f"symbols: {' '.join(first[:5]) or 'none'} against {' '.join(second[:5]) or 'none'}"


def signs_differ(one: str, other: str) -> str | None:
    """Describe two opposite symbols of which each text contains only one; None if there are none."""
    first, second = set(signs(one)), set(signs(other))
    for pair in _OPPOSED:
        for symbol, opposite in (pair, pair[::-1]):
            if symbol in first - second and opposite in second - first:
                return f"signs: {symbol} against {opposite}"
    return None
