"""Units of measurement as powers of base units, read from units.toml."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from medix.judge.clinical.lexicon import data
from medix.judge.clinical.spelling import base_form

_PREFIXES = {"T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "d": -1, "c": -2, "m": -3, "µ": -6, "n": -9, "p": -12, "f": -15}
_SPELLED = {"k": "kilo", "M": "mega", "G": "giga", "d": "deci", "c": "centi", "m": "milli", "µ": "micro", "n": "nano"}
_MICRO = ("u", "μ", "mc")  # beside the micro sign; mc for grams and litres: mcg


@dataclass(frozen=True, slots=True)
class Unit:
    """A product of powers of base units.

    Attributes:
        factor: what one unit is in base units.
        powers: base units with their exponents, sorted.
    """

    factor: Fraction
    powers: tuple[tuple[str, int], ...]

    def __mul__(self, other: "Unit") -> "Unit":
        powers = dict(self.powers)
        for base, exponent in other.powers:
            powers[base] = powers.get(base, 0) + exponent
        return Unit(self.factor * other.factor, tuple(sorted((base, n) for base, n in powers.items() if n)))

    def __pow__(self, exponent: int) -> "Unit":
        return Unit(self.factor**exponent, tuple((base, n * exponent) for base, n in self.powers))

    def __str__(self) -> str:
        return " ".join(base if n == 1 else f"{base}^{n}" for base, n in self.powers)


def _defined(text: str) -> Unit:
    """``0.001 m3``, ``1/60 beat/s``, ``37000000000/s Bq``: a number, and base units with exponents."""
    number, *names = text.replace("/", " /").split()
    unit = Unit(Fraction(number), ())
    for name in names:
        if name[1:].isdigit() and name[0] == "/":
            unit = Unit(unit.factor / int(name[1:]), unit.powers)
            continue
        match = re.fullmatch(r"(/?)(\D+)(\d?)", name)
        assert match, text
        unit *= Unit(Fraction(1), ((match[2], int(match[3] or 1) * (-1 if match[1] else 1)),))
    return unit


def _spellings() -> Iterator[tuple[str, Unit]]:
    for symbol, (definition, prefixes, others) in _DATA["unit"].items():
        unit = _defined(definition)
        yield from ((name, unit) for name in (symbol, *others.split()))
        for prefix in prefixes.split():
            scaled = Unit(unit.factor * Fraction(10) ** _PREFIXES[prefix], unit.powers)
            signs = (prefix, *_MICRO) if prefix == "µ" else (prefix,)
            yield from ((sign + symbol, scaled) for sign in signs)
            if symbol == "L":
                yield from ((sign + "l", scaled) for sign in signs)
            if prefix in _SPELLED:
                yield from ((_SPELLED[prefix] + name, scaled) for name in others.split() if len(name) > 3)


_DATA = data("units.toml")
_EXACT: dict[str, Unit] = dict(_spellings())
_FOLDED: dict[str, set[Unit]] = {}
for _name, _unit in _EXACT.items():
    _FOLDED.setdefault(_name.casefold(), set()).add(_unit)
_PHRASES: dict[str, Unit] = {phrase: _EXACT[symbol] for phrase, symbol in _DATA["phrase"].items()}
_NAME = r"(?:[a-zA-Z]{0,4}\[\w+\]|\{\w+\}|[^\W\d_]+|[%‰°]\s?[CFcf]?(?![^\W\d_])|°)"
_FIRST = re.compile(rf"[ -]?(?P<name>{_NAME}(?: (?:of )?[A-Za-z-]+(?:2[oO])?\b)?)")
_POWER = re.compile(r"(?:\^|\*\*)(?P<sign>-?[1-4])(?!\w)|(?P<plain>[23])(?![\w.,]\w|\w)|(?P<last>-[12])(?=\W*$)")
_BY = r"\s?/\s?|\s(?i:per)\s(?:(?i:an?)\s)?"
_NEXT = re.compile(rf"(?P<sign>{_BY}|[·⋅.*](?=[^\W\d_])|\s(?=[^\W\d_]+\^?-[1-3]\b))(?P<name>{_NAME})")
_RATE = re.compile(rf"(?P<sign>{_BY})(?P<name>{_NAME})")

_MOST_FACTORS = 5
_ENDS, _BEGINS = frozenset(("", " ", ",", ".", ";", ")", "-")), "".join(map(chr, range(65, 123))) + "µμ°%‰[{/"


@lru_cache(maxsize=8192)
def unit_named(name: str) -> Unit | None:
    """The unit that a symbol or a spelled-out name stands for; None if none, or several.

    "mM" and "mm" differ; other mixtures of capitals are read only if a single unit fits and neither milli nor mega is
    written for the other. In capitals alone, "MM" is mm.
    """
    for candidate in dict.fromkeys((name, name.strip(), base_form(name.casefold()) if len(name) > 2 else name)):
        if candidate in _EXACT:
            return _EXACT[candidate]
    stripped = name.strip()
    lower = stripped.casefold()
    is_mixed = stripped not in {lower, stripped.upper(), stripped.capitalize()}
    if is_mixed and stripped[0] in "mM" and stripped[0].swapcase() + stripped[1:] in _EXACT:
        return None  # mHz is not MHz
    for candidate in dict.fromkeys((lower, base_form(lower) if len(lower) > 2 else lower, lower.removesuffix("s"))):
        units = _FOLDED.get(candidate, ())
        if len(units) == 1:
            return next(iter(units))
        if units and name.isupper():
            return _EXACT.get(candidate)
    return None


def read_unit(text: str, position: int) -> tuple[Unit | None, int]:
    """The unit that stands at a position, right after a number, and where it ends; None and the position if none.

    Products, quotients and powers are read: mg/dL, mL/min, mg per kg, cm^3, min-1.
    """
    if text[position : position + 1] in _ENDS and text[position + 1 : position + 2] not in _BEGINS:
        return None, position
    unit, end = _first(text, position)
    pattern = _NEXT if unit else _RATE
    for _ in range(_MOST_FACTORS):
        match = pattern.match(text, end)
        if match is None:
            break
        factor = unit_named(match["name"])
        if factor is None:
            break
        factor, after = _powered(text, factor, match.end())
        if _splits_word(text, after):
            break
        is_divisor = match["sign"].strip(" \t\n") not in ("", "·", "⋅", ".", "*")
        factor = factor**-1 if is_divisor else factor
        unit, end, pattern = factor if unit is None else unit * factor, after, _NEXT
    return unit, end


def _first(text: str, position: int) -> tuple[Unit | None, int]:
    match = _FIRST.match(text, position)
    if match is None:
        return None, position
    name = match["name"]
    if " " in name:
        words = name.split()
        phrase = " ".join((words[0], words[-1])).casefold()
        unit = _PHRASES.get(phrase) or _PHRASES.get(" ".join(map(base_form, phrase.split())))
        if unit and not _splits_word(text, match.end()):
            return unit, match.end()
        name = words[0]
    unit = unit_named(name)
    end = match.start("name") + len(name)
    if unit is None:
        return None, position
    unit, end = _powered(text, unit, end)
    return (None, position) if _splits_word(text, end) else (unit, end)


def _powered(text: str, unit: Unit, end: int) -> tuple[Unit, int]:
    match = _POWER.match(text, end)
    return (unit ** int(match[match.lastgroup or 0]), match.end()) if match else (unit, end)


def _splits_word(text: str, end: int) -> bool:
    return end < len(text) and (text[end].isalnum() or text[end] == "'")
