"""What two texts must agree in before their similarity may earn credit.

Encoders rate "left lung" and "right lung" alike. The guard therefore compares the facts of both texts (numbers, sides,
negations, letters, symbols, replies) as sequences with the words around them, and looks at every word that only one of
them has: one that cannot be explained costs the credit, and what is replaced must be similar on its own.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from medix.judge.clinical.characters import GREEK_LETTERS, decorations, unaccented
from medix.judge.clinical.lexicon import (
    ENDINGS,
    GENERIC,
    LIGHT,
    NEGATORS,
    OPPOSED_PREFIXES,
    OPPOSITES,
    RELATIONS,
    SIDES,
)
from medix.judge.clinical.text import is_same, normalise
from medix.judge.clinical.tokens import BREAK, NO, NUMERIC, SYMBOL, YES, Token

NOT = "not"
_OTHER_FACTS = frozenset(("or", "positive", NO, YES))
_SIDE_FACTS = frozenset(("left", "right", "both", "midline"))
_BETWEEN = frozenset("<>≤≥→←=/")  # symbols that say how what stands before them is related to what stands after


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of a comparison.

    Attributes:
        fault: what contradicts or cannot be explained; None if nothing.
        rest: the words of the first text and those of the second that stand in for each other; None if there are none.
    """

    fault: str | None = None
    rest: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Reading:
    """Facts in order, and the words before, between and after them.

    Attributes:
        facts: keys of the facts.
        segments: one more than facts.
        is_placed: whether a word may not change its place, because it would belong to another fact.
    """

    facts: tuple[str, ...]
    segments: tuple[tuple[str, ...], ...]
    is_placed: bool

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(word for segment in self.segments for word in segment)


def differs(answer: str, reference: str) -> str | None:
    """Describe the first fact or word that contradicts or cannot be explained; None if there is none."""
    return compare(answer, reference).fault


@lru_cache(maxsize=4096)
def compare(one: str, other: str) -> Comparison:
    """Compare the facts of two texts and what surrounds them; results are cached.

    The facts must be equal in order. Words that only one text has are a fault unless they say nothing ("evidence of",
    "disease"), are inflections of each other, or replace words of the other text, which are then returned as the rest.
    Replacements are a fault where they are opposites, look alike without being inflections (hyponatremia and
    hypernatremia), or are abbreviations of something else.
    """
    if is_same(one, other):
        return Comparison()
    pictures = decorations(one), decorations(other)
    if all(pictures) and pictures[0] != pictures[1]:
        return Comparison(f"symbols: {' '.join(pictures[0][:5])} against {' '.join(pictures[1][:5])}")
    first, second = _reading(one), _reading(other)
    if first.facts != second.facts:
        # "one nodule" and "a nodule" mean the same; "one" is compared only with other numbers
        first, second = _without_one(first), _without_one(second)
        if first.facts != second.facts:
            return Comparison(_contradiction(first.facts, second.facts))
    if first.is_placed or second.is_placed:
        pairs = list(zip(first.segments, second.segments, strict=True))
    else:
        pairs = [(first.words, second.words)]
    mine = [word for segment, against in pairs for word in _unmatched(segment, against)]
    theirs = [word for segment, against in pairs for word in _unmatched(against, segment)]
    moved = set(mine) & set(theirs)
    if moved or _is_reordered(first.words, second.words):
        return Comparison(f"order: of {', '.join(sorted(moved or set(first.words)))}")
    found = _replaced(mine, theirs, (one, other))
    shares = bool(first.facts) or not set(first.words).isdisjoint(second.words)
    return found if shares else Comparison(found.fault)  # the texts themselves are compared


def _reading(text: str) -> _Reading:
    tokens = normalise(text).tokens
    facts: list[str] = []
    segments: list[list[str]] = [[]]
    clause = 0  # number of facts before the clause
    is_coordinated = False
    for index, token in enumerate(tokens):
        fact = _fact(token)
        if token.kind == BREAK or token.key in {"and", "but"}:
            _close(facts, segments, clause)
            is_coordinated = True
            following = tokens[index + 1].key if index + 1 < len(tokens) else ""
            if token.kind == BREAK and following not in NEGATORS:
                _add(facts, segments, token.key)
            clause = len(facts)
        elif fact == "or" and NOT in facts[clause:]:
            _add(facts, segments, NOT)  # no fracture or dislocation: neither
        elif fact == NOT and token.key == "absent" and facts[-1:] == [NOT] and not segments[-1]:
            facts.pop()
            segments.pop()
        elif fact is not None and token.key in SIDES and " " in fact:
            side, *words = fact.split()
            _add(facts, segments, side)
            segments[-1].extend(words)
        elif fact == "right" and facts[-1:] == ["left"] and is_coordinated and not segments[-1]:
            facts[-1] = "both"
        elif token.key == "positive" and index + 1 < len(tokens) and tokens[index + 1].key == "for":
            continue  # positive for tuberculosis: tuberculosis
        elif token.kind == NUMERIC and facts and len(facts[-1]) == 1 and facts[-1].isalpha() and not segments[-1]:
            facts[-1] += token.key  # T2 and L4 are one fact
        elif fact is not None:
            _add(facts, segments, fact)
        elif token.key not in LIGHT:
            segments[-1].append(token.key)
    _close(facts, segments, clause)
    is_placed = len(facts) > 1 or NOT in facts or (is_coordinated and bool(facts)) or not _BETWEEN.isdisjoint(facts)
    return _Reading(tuple(facts), tuple(map(tuple, segments)), is_placed)


def _add(facts: list[str], segments: list[list[str]], fact: str) -> None:
    facts.append(fact)
    segments.append([])


def _close(facts: list[str], segments: list[list[str]], clause: int) -> None:
    """Put a negation that ends its clause before it: "fracture is absent" is "no fracture"."""
    if len(facts) == clause + 1 and facts[-1] == NOT and not segments[-1]:
        segments[-2:] = [[], segments[-2]]


def _fact(token: Token) -> str | None:
    if token.kind in {NUMERIC, SYMBOL}:
        return token.key
    if token.key in NEGATORS:
        return NOT
    if token.key in SIDES:
        return SIDES[token.key]
    is_letter = (len(token.key) == 1 and token.key != "x") or token.key in GREEK_LETTERS  # an x-ray is no letter
    return token.key if is_letter or token.key in _OTHER_FACTS else None


def _without_one(reading: _Reading) -> _Reading:
    if "1" not in reading.facts:
        return reading
    index = reading.facts.index("1")
    segments = reading.segments
    if segments[index] or not segments[index + 1]:
        return reading  # of HSV-1, or of "1 of 3"
    joined = (*segments[:index], segments[index] + segments[index + 1], *segments[index + 2 :])
    facts = reading.facts[:index] + reading.facts[index + 1 :]
    return _Reading(facts, joined, reading.is_placed and bool(facts))


def _contradiction(one: Sequence[str], other: Sequence[str]) -> str:
    """Name the first fact that differs."""
    for mine, theirs in zip((*one, ""), (*other, ""), strict=False):
        if mine != theirs:
            break
    found = {mine, theirs}
    if NOT in found:
        kind = "negation"
    elif found & _SIDE_FACTS:
        kind = "laterality"
    else:
        kind = "number" if any(any(map(str.isdigit, fact)) for fact in found) else "fact"
    return f"{kind}: {_shown(mine)} against {_shown(theirs)}"


_FRACTION = re.compile(r"[-+±]?\d{1,99}/[1-9]\d{0,98}")  # longer ones may overflow a float


def _shown(fact: str) -> str:
    number, _, unit = fact.partition(" ")
    factor, _, base = unit.partition(" ")
    if factor[:1].isdigit():  # compared as written: 120/80, or 1,5
        return f"{number} x {float(Fraction(factor)):g} {base}".strip()
    if unit and _FRACTION.fullmatch(number):
        number = f"{float(Fraction(number.lstrip('±+'))):g}"
    return f"{number} {unit}".strip() or "none"


def _unmatched(words: Sequence[str], against: Sequence[str]) -> list[str]:
    """The words that the other text does not have, as often as it lacks them."""
    left = Counter(words) - Counter(against)
    found = []
    for word in words:
        if left[word] > 0:
            left[word] -= 1
            found.append(word)
    return found


def _is_reordered(one: Sequence[str], other: Sequence[str]) -> bool:
    """Whether the words that both have stand in another order; up to three may, "femur fracture", of which at most one
    has an opposite and none tells how the others are related, "edema causing hemorrhage".
    """
    common = set(one) & set(other)
    may_differ = len(common) <= 3 and len(common & OPPOSITES.keys()) < 2 and common.isdisjoint(RELATIONS)
    return not may_differ and [word for word in one if word in common] != [word for word in other if word in common]


def _replaced(mine: list[str], theirs: list[str], texts: tuple[str, str]) -> Comparison:
    for word in list(mine):
        match = next((other for other in theirs if _inflects(word, other)), None)
        if match is not None:
            mine.remove(word)
            theirs.remove(match)
    mine, theirs = _essential(mine, theirs), _essential(theirs, mine)
    if not (mine and theirs):
        only = mine or theirs
        return Comparison(f"only in one: {' '.join(only)}" if only else None)
    for word in mine:
        for other in theirs:
            if _opposes(word, other):
                return Comparison(f"opposites: {word} against {other}")
            if _resembles(word, other):
                return Comparison(f"other words: {word} against {other}")
    short = [_abbreviations(text) & set(words) for text, words in zip(texts, (mine, theirs), strict=True)]
    is_spelled = all(_abbreviates(word, theirs) for word in short[0]) and all(
        _abbreviates(word, mine) for word in short[1]
    )
    if (short[0] and short[1]) or not is_spelled:
        return Comparison(f"abbreviations: {' '.join(mine)} against {' '.join(theirs)}")
    return Comparison(rest=(" ".join(mine), " ".join(theirs)))


def _essential(words: Sequence[str], against: Sequence[str]) -> list[str]:
    """The words without generic ones, unless nothing else is there to replace those of the other text."""
    kept = [word for word in words if word not in GENERIC]
    return kept if kept or not against else []


_SHORTEST_STEM = 4


@lru_cache(maxsize=65536)
def _inflects(one: str, other: str) -> bool:
    """Whether two words differ in a common ending only: calcified and calcification; not resolved and resolving."""
    length = _common(one, other)
    if length < _SHORTEST_STEM:
        return False
    endings = {one[length:], other[length:]}
    return endings <= ENDINGS and endings not in ({"ed", "ing"}, {"", "e"})


def _common(one: str, other: str) -> int:
    length = 0
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            break
        length += 1
    return length


@lru_cache(maxsize=65536)
def _resembles(one: str, other: str) -> bool:
    """Whether two words share half of their letters at beginning and end, or differ in accents, which encoders drop."""
    one, other = unaccented(one), unaccented(other)
    start = _common(one, other)
    end = _common(one[start:][::-1], other[start:][::-1])
    return 2 * (start + end) >= max(len(one), len(other))


@lru_cache(maxsize=65536)
def _opposes(one: str, other: str) -> bool:
    if other in OPPOSITES.get(one, ()):
        return True
    return any(
        stem == match and frozenset((prefix, opposite)) in OPPOSED_PREFIXES
        for prefix, stem in _splits(one)
        for opposite, match in _splits(other)
    )


def _splits(word: str) -> list[tuple[str, str]]:
    lengths = range(1, min(_LONGEST_PREFIX, len(word) - _SHORTEST_STEM) + 1)
    return [("", word), *((word[:n], word[n:]) for n in lengths if word[:n] in _PREFIXES)]


_PREFIXES = frozenset(prefix for pair in OPPOSED_PREFIXES for prefix in pair)
_LONGEST_PREFIX = max(map(len, _PREFIXES))
_ABBREVIATION = re.compile(r"\b[A-Z]{2,6}\b")


def _abbreviations(text: str) -> set[str]:
    return set() if text.isupper() and " " in text else {word.lower() for word in _ABBREVIATION.findall(text)}


def _abbreviates(short: str, words: Sequence[str]) -> bool:
    """Whether the letters of an abbreviation occur in the words in this order, the first as an initial."""
    spelled = iter(" ".join(words))
    return any(word.startswith(short[0]) for word in words) and all(letter in spelled for letter in short)
