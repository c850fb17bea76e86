# ruff: noqa: RUF001 - typographic dashes and brackets
"""Where a text stands within another as it is written, and not as a part of a longer word or number.

"5 mg" does not stand in "2.5 mg", "-5 mg", "> 5 mg", "5-10 mg", "5.0 mg" or "5 mg/kg", nor "left shunt" in "right-left
shunt". Strict on purpose: a place that is passed over costs a question to a judge, the reverse a wrong verdict.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import pairwise

_WORD = re.compile(r"[^\W_]+")
_NEAR = 40  # characters around a place that may belong to a number there
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
    return _WORD.findall(text.casefold())


def has_number(text: str) -> bool:
    """Whether a text holds a digit, or a character that stands for a number, as "½"."""
    return any(map(str.isnumeric, text))


def goes_on_with_number(text: str, end: int) -> bool:
    """Whether a number follows at a place, before any word or line break."""
    return _NEXT_NUMBER.match(text, end) is not None


def mentions(text: str, within: str) -> list[tuple[int, int]]:
    """Begin and end of each place in ``within`` where a text stands as it is written, without case.

    What stands between its words does not count, except beside a number: there signs, points and spaces must be the
    same, and no sign or number may join them from outside.
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
    found = list(_WORD.finditer(text))
    if not found:
        return re.compile("((?!))")
    first, last = found[0][0], found[-1][0]
    parts = []
    for one, other in pairwise(found):
        is_number = one[0][-1].isnumeric() or other[0][0].isnumeric()
        parts += [re.escape(one[0]), _beside(text[one.end() : other.start()]) if is_number else r"[\W_]+"]
    signs = text[: found[0].start()].strip().lstrip(_BRACKETS), text[found[-1].end() :].strip().strip(_BRACKETS)
    begins = _beside(signs[0]).removeprefix(r"\s*") if first[0].isnumeric() else ""
    ends = _beside(signs[1].rstrip(".;,:!? ")).removesuffix(r"\s*") if last[-1].isnumeric() else ""
    written = "".join((begins, *parts, re.escape(last), ends))
    return re.compile(rf"{before}(?<![^\W_])({written})(?![^\W_])", re.IGNORECASE)


def _beside(signs: str) -> str:
    """A pattern of what is written beside a number; its spaces count only where it is nothing else, or has a point."""
    pieces = [re.escape(piece) for piece in re.split(r"\s+", signs)]
    if not signs.strip() or _POINTS.search(signs):
        return r"\s+".join(pieces)
    return r"\s*".join(("", *filter(None, pieces), ""))


def _is_whole(text: str, within: str, start: int, end: int) -> bool:
    """Whether a place is no part of a longer word, nor of a longer number if the text holds one."""
    before, after = within[max(0, start - _NEAR) : start], within[end : end + _NEAR]
    if _JOINED_BEFORE.search(before) or _JOINED_AFTER.match(after):
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
