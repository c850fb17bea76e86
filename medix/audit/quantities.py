"""Measures that are given without a unit."""

import re
from collections.abc import Sequence

from medix.judge.clinical.lexicon import data
from medix.judge.clinical.tokens import NUMERIC, SYMBOL, Token, read
from medix.judge.clinical.units import read_unit

_WORDS = data("quantities.toml")
MEASURES: frozenset[str] = frozenset(_WORDS["measures"])
COUNTED: frozenset[str] = frozenset(_WORDS["counted"])
SIZED: frozenset[str] = frozenset(_WORDS["sized"])
_ASKED_IN = re.compile(r"\b(?:in|how many)(?= (?!an? ))", re.IGNORECASE)
"""What a unit follows in a question that states it: "in mm", "how many centimetres"."""
_COUNT = re.compile(r"\b(?:how many|number of)\b", re.IGNORECASE)
"""What asks for a count, whatever else is measured: "how many lesions have a diameter over 1 cm"."""
_NAME = re.compile(
    r"(?<![\w/.])(?<!\d )(?![xX]\d)([A-Za-z]{1,3}\d{1,3}(?: ?[-/\u2013] ?[A-Za-z]{0,3}\d{1,3})*)(?![\w.]\d|\w)"
)
"""A name that ends in a number, which is none of a measure: L5, L4-L5, S1, T2; not the unit of 5 mm2."""
_REACH = 4
"""Tokens after a word of measure within which its number stands: "measures up to about 5"."""


def without_unit(answer: str, question: str = "", references: Sequence[str] = ()) -> tuple[str, ...]:
    """The numbers of an answer that measure something and have no unit, in order.

    A number measures if a word such as "diameter" or "measures" stands shortly before it, if it is part of a product
    beside a thing that has a size ("a mass of 3 x 4"), or if the question asks for such a measure, or a reference gives
    all of its numbers with units, and the answer is little more than the number. A ratio, a date and a number of things
    are none: a listed noun ("2 lesions") follows it. A question that states the unit ("in mm") needs none in the
    answer.

    Args:
        answer: text of the answer.
        question: the question.
        references: accepted answers.
    """
    tokens = _read(answer)
    bare = [place for place, token in enumerate(tokens) if _is_bare(token)]
    found = [place for place in bare if " " not in tokens[_list_at(tokens, place)[-1]].key]
    if not found or any(read_unit(question, asked.end())[0] for asked in _ASKED_IN.finditer(question)):
        return ()
    expected = _expects_unit(question, references)
    is_short = len(tokens) <= _REACH + sum(token.kind != "word" for token in tokens)
    return tuple(
        _shown(tokens[place])
        for place in found
        if _is_side(tokens, place)
        or (
            not _is_counted(tokens, place)
            and ((expected and is_short) or _is_measured(tokens, _list_at(tokens, place)[0]))
        )
    )


def _expects_unit(question: str, references: Sequence[str]) -> bool:
    """Whether a measure is asked for: by the references, which decide if they have numbers, or by the question."""
    numbers = [token for text in references for token in _read(text) if token.kind == NUMERIC]
    if numbers:
        return all(" " in token.key for token in numbers)
    if references or _COUNT.search(question):
        return False
    return any(token.key in MEASURES for token in read(question))


def _read(text: str) -> list[Token]:
    """The tokens of a text, in which names that end in a number are words."""
    return read(_NAME.sub("label", text))


def _is_bare(token: Token) -> bool:
    """Whether a token is a number without a unit, and no ordinal, ratio or date."""
    return token.kind == NUMERIC and " " not in token.key and not token.key.endswith("th") and ":" not in token.key


def _list_at(tokens: Sequence[Token], place: int) -> list[int]:
    """The places of the numbers that are listed with one, itself among them: "5 and 7", "5, 7 or 9 mm", "5, 7, 9".

    Two numbers between which is a comma alone are no list: "a diameter of 5, 3 mm deep". One with a unit ends a list.
    """
    found, joins = [place], []
    for step in (-1, 1):
        between: list[str] = []
        at = place + step
        while 0 <= at < len(tokens):
            token = tokens[at]
            if token.key in _LISTED:
                between.append(token.key)
            elif token.kind == NUMERIC and between and (step > 0 or " " not in token.key):
                found.append(at)
                joins += between
                between = []
                if " " in token.key:
                    break
            else:
                break
            at += step
    return sorted(found) if len(found) > 2 or not _LAST.isdisjoint(joins) else [place]


def _is_counted(tokens: Sequence[Token], place: int) -> bool:
    return place + 1 < len(tokens) and tokens[place + 1].key in COUNTED


def _is_side(tokens: Sequence[Token], place: int) -> bool:
    """Whether a number is part of a product that stands beside a thing that has a size."""
    first = last = place
    while first > 1 and tokens[first - 1].key == _TIMES and tokens[first - 2].kind == NUMERIC:
        first -= 2
    while last + 2 < len(tokens) and tokens[last + 1].key == _TIMES and tokens[last + 2].kind == NUMERIC:
        last += 2
    beside = [*tokens[max(0, first - 2) : first], *tokens[last + 1 : last + 2]]
    return first < last and any(token.key in SIZED for token in beside)


def _is_measured(tokens: Sequence[Token], place: int) -> bool:
    """Whether a word of measure stands shortly before a number, with no number between but of a product or range."""
    for before in range(place - 1, max(-1, place - 1 - _REACH), -1):
        token = tokens[before]
        if token.key in MEASURES:
            return True
        if token.kind == NUMERIC and tokens[before + 1].key not in _JOINS:
            return False
        if token.kind == SYMBOL and token.key not in _AROUND:
            return False
    return False


_TIMES = "×"  # noqa: RUF001 - a multiplication sign
_JOINS = frozenset((_TIMES, "to"))
_LAST = frozenset(("and", "or"))
_LISTED = frozenset((*_LAST, ","))
_AROUND = frozenset("<>≤≥±") | _JOINS


def _shown(token: Token) -> str:
    value, _, under = token.key.partition("/")
    return f"{int(value) / int(under):g}" if value.isdigit() and under.isdigit() and int(under) else token.key
