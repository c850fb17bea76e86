# ruff: noqa: RUF001 - typographic dashes and brackets
"""Where a text stands within another as it is written, and not as a part of a longer word or number.

"5 mg" does not stand in "2.5 mg", "-5 mg", "> 5 mg", "5-10 mg", "5.0 mg" or "5 mg/kg", nor "left shunt" in "right-left
shunt", nor "HBsAg (-)" in "HBsAg (+)". Strict on purpose: a place that is passed over costs a question to a judge, the
reverse a wrong verdict.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

WORD = re.compile(r"[^\W_]+")
"""A word, or a run of digits."""
_NEAR = 40  # characters around a place that may belong to a number there
DASHES = "-‐‑‒–—−"
"""Characters that are written for a minus, a hyphen or a dash; one is as good as another."""
# beside words; a dash that joins two, as in "T-cell", is none
_SIGN = re.compile(rf"[+<>=≤≥≠±≈~↑↓→←↔]|(?<![\w)\]])[{DASHES}]|[{DASHES}](?![\w(\[])")
_FILLER = rf"(?:(?!{_SIGN.pattern})[\W_])*"
_SIGN_BEFORE = re.compile(rf"(?:[+<≤≥≠±≈~↑↓]|(?<![-=])>|\([{DASHES}]\))[^\S\n]*\Z")
# a dash alone may be a bullet, or begin an explanation: "liver - as before", but "ER-" and "HBsAg (-)"
_SIGN_AFTER = re.compile(rf"[^\S\n]*[)\]]?[^\S\n]*(?:\(?[+<>≤≥≠±≈~↑↓]|\([{DASHES}])|[-‐‑−](?!\w)")
_BRACKETS = "()[]{}\"'“”‘’"
_POINTS = re.compile(r"[.,:;'’]")  # "0.5" is not "0. 5"
_JOINED_BEFORE = re.compile(r"[^\W_][-‐‑–/]\Z")  # "in-complete"
_JOINED_AFTER = re.compile(r"[-‐‑–/][^\W_]")
# "2." of "2.5", "5-" of "5-10", "1 " of "1 500"; a point alone, as that of ".5"; "\pm"
_NUMBER_BEFORE = re.compile(r"(?:\d(?:[^\w\n]|_)*|[.,·]|\\[A-Za-z]+ *)\Z")
_NEXT_NUMBER = re.compile(r"(?:[^\w\n]|_)*\d")
_NUMBER_AFTER = re.compile(rf"{_NEXT_NUMBER.pattern}|\s*[%‰°]|\s*\\[A-Za-z]|\s+and\b")  # "5 and a half"
_SIGNS = frozenset({"Sm", "Sk"})  # categories of "+", "<", "±", "×", "^"
_SPACES = " \t\u00a0\u202f"
_MORE_SIGNS = "*/\\·"


def words_of(text: str) -> list[str]:
    """The words and runs of digits of a text, without case."""
    return WORD.findall(text.casefold())


def sign_after(text: str) -> str:
    """The signs after the last word of a text, as "%" and the minus of "HBsAg (-)", without brackets and full stops."""
    *_, last = [0, *(match.end() for match in WORD.finditer(text))]
    return text[last:].strip().strip(_BRACKETS).rstrip(".;,:!? ")


def has_number(text: str) -> bool:
    """Whether a text holds a digit, or a character that stands for a number, as "½"."""
    return any(map(str.isnumeric, text))


def goes_on_with_number(text: str, end: int) -> bool:
    """Whether a number follows at a place, before any word or line break."""
    return _NEXT_NUMBER.match(text, end) is not None


def mentions(text: str, within: str) -> list[tuple[int, int]]:
    """Begin and end of each place in ``within`` where a text stands as it is written, without case.

    Of what stands between and around its words only signs count, and hyphens that join it to another: "+", "<", "↑", a
    dash beside a space or in brackets. Beside a number signs, points and spaces must be the same, and no sign or number
    may join them from outside.
    """
    return [found.span() for found in _written(text).finditer(within) if _is_whole(text, within, *found.span())]


def end_of(text: str, within: str, start: int, between: str) -> int | None:
    """Where a text ends that stands right at a place, after what the pattern ``between`` matches; None if it does not.

    Args:
        text: what is looked for, as by ``mentions``.
        within: where.
        start: the place.
        between: of a regular expression.
    """
    found = _written(text, between).match(within, start)
    return found.end() if found and _is_whole(text, within, *found.span(1)) else None


@lru_cache(maxsize=4096)
def _written(text: str, before: str = "") -> re.Pattern[str]:
    """Of a text, its only group, after another pattern; of nothing if the text has no words."""
    found = list(WORD.finditer(text))
    if not found:
        return re.compile("((?!))")
    first, last = found[0][0], found[-1][0]
    parts = []
    for one, other in pairwise(found):
        is_number = one[0][-1].isnumeric() or other[0][0].isnumeric()
        gap = rf"(?=[\W_]){_FILLER}" + "".join(f"{sign}{_FILLER}" for sign in _signs(text, one.end(), other.start()))
        parts += [re.escape(one[0]), _beside(text[one.end() : other.start()]) if is_number else gap]
    before_first = text[: found[0].start()]
    if first[0].isnumeric():
        begins = _beside(before_first.strip().lstrip(_BRACKETS)).removeprefix(r"\s*")
    else:
        begins = "".join(f"{sign}{_FILLER}" for sign in _signs(text, 0, found[0].start()))
    if last[-1].isnumeric():
        ends = _beside(sign_after(text)).removesuffix(r"\s*")
    else:
        ends = "".join(f"{_FILLER}{sign}" for sign in _signs(text, found[-1].end(), len(text)))
    written = "".join((begins, *parts, re.escape(last), ends))
    return re.compile(rf"{before}(?<![^\W_])({written})(?![^\W_])", re.IGNORECASE)


def _signs(text: str, start: int, end: int) -> list[str]:
    """A pattern of each sign in a part of a text; one dash is as good as another."""
    found = (match[0] for match in _SIGN.finditer(text) if start <= match.start() < end)
    return list(map(_sign, found))


def _sign(sign: str) -> str:
    return f"[{DASHES}]" if sign in DASHES else re.escape(sign)


def _beside(signs: str) -> str:
    """A pattern of what is written beside a number; its spaces count only where it is nothing else, or has a point."""
    pieces = ["".join(map(_sign, piece)) for piece in re.split(r"\s+", signs)]
    if not signs.strip() or _POINTS.search(signs):
        return r"\s+".join(pieces)
    return r"\s*".join(("", *filter(None, pieces), ""))


def _is_whole(text: str, within: str, start: int, end: int) -> bool:
    """Whether a place is no part of a longer word, nor of a longer number if the text holds one."""
    before, after = within[max(0, start - _NEAR) : start], within[end : end + _NEAR]
    if _JOINED_BEFORE.search(before) or _JOINED_AFTER.match(after):
        return False
    if _SIGN_BEFORE.search(before) or _SIGN_AFTER.match(after):
        return False
    if not has_number(text):
        return True
    if _NUMBER_AFTER.match(after) or _is_sign(after.lstrip(_SPACES)[:1]):
        return False
    is_first = words_of(text)[0][0].isnumeric()
    # a dash before a number may be a bullet or a minus
    return not is_first or not (_NUMBER_BEFORE.search(before) or _is_sign(before.rstrip(_SPACES)[-1:], or_dash=True))


def _is_sign(char: str, *, or_dash: bool = False) -> bool:
    if not char:
        return False
    category = unicodedata.category(char)
    return category in _SIGNS or char in _MORE_SIGNS or (or_dash and category == "Pd")
