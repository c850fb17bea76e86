# ruff: noqa: RUF001 - multiplication signs are read here
"""Numbers as they are written in clinical texts."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from medix.judge.clinical.lexicon import NUMBERS, SCALES
from medix.judge.clinical.units import Unit

_LITERAL = r"\d+(?:[.,]\d+)*|(?<![\w.])\.\d+"
_PART = r"(?:1/[2348]|[23]/[34]|[357]/8)(?![\d/.])"
NUMBER = re.compile(
    rf"""
    (?P<sign>(?:(?<![\w)\]%°.'"*/-])[-+]|±\ ?)?)
    (?:
      (?:(?P<whole>\d{{1,3}})\ )?(?P<part>(?<![\d/.]){_PART})
    | (?P<ratio>\d+(?:\.\d+)?(?:(?:/|:|\ /\ |\ :\ )\d+(?:\.\d+)?){{1,4}})(?![\w.,]\d)
    | (?P<digits>{_LITERAL})
      (?:\^(?P<power>[-+]?\d{{1,3}})|\*(?P<star>-?\d{{1,2}})(?=/)|[eE](?P<e>[-+]?\d{{1,3}})(?!\w|\.\d))?
      (?:\ ?[x×*·]\ ?10\^(?P<times>[-+]?\d{{1,3}})(?!\d))?
    )
    """,
    re.VERBOSE,
)
"""A number with its sign: 5, -2.5, 1,200, 1e-3, 10^6, 2 x 10^9, 1/2, 1 1/2, and ratios such as 120/80."""
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?")
_EXACT_DIGITS = 30  # a longer number is compared as written
_MOST_DIGITS = 400


@dataclass(slots=True)
class Number:
    """A number, its unit and the key under which equal quantities agree.

    Attributes:
        written: the number as it stands in the text, to be shown.
        value: in its own unit; None if it is compared as written.
        sign: ``-``, ``+``, ``±`` or nothing.
        needs_unit: whether it has a decimal comma that could also separate two numbers; with a unit it is one number.
        unit: None if it has none.
    """

    written: str
    value: Fraction | int | None
    sign: str = ""
    needs_unit: bool = False
    unit: Unit | None = None

    @property
    def key(self) -> str:
        """Equal for equal quantities: 5 mm and 0.5 cm, 1e3 and 1000."""
        value = None if self.needs_unit and self.unit is None else self.value
        if value is None:
            return f"{self.sign}{self.written}" + (f" {self.unit.factor} {self.unit}" if self.unit else "")
        return f"{self.sign}{value}" if self.unit is None else f"{self.sign}{_scaled(value, self.unit)}"


@lru_cache(maxsize=8192)
def _scaled(value: Fraction | int, unit: Unit) -> str:
    return f"{value * unit.factor} {unit}"


def parse(match: re.Match[str]) -> Number:
    """The number that a match of ``NUMBER`` stands for."""
    sign, whole, part, ratio, literal, power, star, e, times = match.groups()
    sign = sign.strip()
    if ratio:
        parts = re.split(r" ?([/:]) ?", ratio)
        return Number("".join(map(_trimmed, parts)), None, sign)
    if part:
        above, below = part.split("/")
        return Number(match.group(), Fraction(int(above), int(below)) + int(whole or 0), sign)
    if len(literal) > _EXACT_DIGITS:
        return Number(_trimmed(literal), None, sign)
    if literal.isdigit() and match.end() == match.end("digits"):
        return Number(literal, int(literal), sign)
    return _read_digits(literal, (power or star, e, times), match.group(), sign)


def _read_digits(literal: str, exponents: tuple[str | None, str | None, str | None], written: str, sign: str) -> Number:
    needs_unit = False
    if "," in literal:
        if _GROUPED.fullmatch(literal):
            literal = literal.replace(",", "")
        elif literal.count(",") == 1 and "." not in literal:
            needs_unit = not literal.startswith("0,")
            literal = literal.replace(",", ".")
        else:
            return Number(literal, None, sign)
    if literal.count(".") > 1:
        return Number(_trimmed(literal), None, sign)
    value = _decimal(literal) if "." in literal else Fraction(int(literal))
    power, e, times = exponents
    if power:
        if not value or abs(int(power)) * len(literal) > _MOST_DIGITS:
            return Number(written, None, sign)
        value = value ** int(power)
    for exponent in filter(None, (e, times)):
        value *= Fraction(10) ** int(exponent)
    return Number(written, value, sign, needs_unit)


def _decimal(literal: str) -> Fraction:
    whole, _, part = literal.partition(".")
    return Fraction(int(whole + part), 10 ** len(part))


def _trimmed(digits: str) -> str:
    """Digits without superfluous zeros."""
    if "." in digits and digits.count(".") == 1:
        digits = digits.rstrip("0").rstrip(".")
    return digits.lstrip("0") or "0" if digits[:1].isdigit() else digits


def in_words(text: str, position: int) -> tuple[int, int] | None:
    """The value of a number in words that begins at a position, and where it ends; None if there is none.

    ``twenty-one``, ``one hundred and five``, ``a hundred``, ``two thousand``.
    """
    total = current = 0
    room, last_scale, is_first, end = 100, 10**12, True, position
    while match := (_FIRST_WORD if is_first else _NEXT_WORD).match(text, end):
        word = match["word"].lower()
        value = NUMBERS.get(word)
        if value is not None:
            if value >= room or (match["and"] and room < 100) or not (value or is_first):
                break
            current, room = current + value, 10 if value >= 20 else 0
        elif match["and"] or (not is_first and match["article"]):
            break
        elif word in {"hundred", "dozen"}:
            if current >= 100 or not (current or is_first):
                break
            current, room = max(current, 1) * SCALES[word], 100 if word == "hundred" else 0
        else:
            if SCALES[word] >= last_scale or not (current or is_first):
                break
            last_scale = SCALES[word]
            total, current, room = total + max(current, 1) * last_scale, 0, 100
        is_first, end = False, match.end()
    return None if is_first else (total + current, end)


_WORDS = "|".join(sorted((*NUMBERS, *SCALES), key=len, reverse=True))
_END = r"(?![^\W_])"
_FIRST_WORD = re.compile(
    rf"(?P<and>(?!))?(?P<article>a (?={'|'.join(SCALES)}))?(?P<word>{_WORDS}){_END}", re.IGNORECASE
)
_NEXT_WORD = re.compile(rf"(?:[ -]|(?P<and> and ))(?P<article>(?!))?(?P<word>{_WORDS}){_END}", re.IGNORECASE)
SCALE = re.compile(rf" ?(?P<word>hundred|thousand|million|billion){_END}", re.IGNORECASE)
"""A scale after digits: 1.2 million."""
