"""Comparison of short clinical texts: normalised words, and facts that must not contradict each other.

The exact judge compares the words, the guard of the embedding reward compares the facts. The word lists are English;
text in other languages is compared literally and never raises. All functions take linear time in the text's length.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from medix.judge.clinical.literal import signs, signs_differ, symbols_differ
from medix.judge.clinical.tokens import CLAUSE_END, GREEK_WORD, Quantity, Token, read
from medix.judge.clinical.words import (
    ANTONYMS,
    CLAUSE_BREAKS,
    EMPTY_WORDS,
    LATERALITY,
    NEGATES_BEFORE,
    NEGATORS,
    OPPOSED_PREFIXES,
    SIDES_OF_WORD,
)

_PREFIXES = frozenset(prefix for pair in OPPOSED_PREFIXES for prefix in pair if prefix)
_OPPOSED = frozenset(frozenset(pair) for pair in OPPOSED_PREFIXES)
_LONGEST_PREFIX = max(map(len, _PREFIXES))
_SHORTEST_STEM = 4  # below this, "in" and "un" are letters of the word rather than a prefix


@dataclass(frozen=True, slots=True)
class Text:
    """A normalised text.

    Attributes:
        words: the words that the exact judge compares: in lower case and singular, without articles and punctuation,
            numbers with their units as one word.
        quantities: the numbers.
        identifiers: levels and sequences such as L4 and T2, and single capital letters.
        greek: names of Greek letters that specify, with the number that follows: beta2.
        laterality: left, right, midline.
        affirmed: content words outside the scope of a negation.
        negated: content words inside it.
        is_negated: whether anything is negated.
        sides: pairs of antonyms with the side, 0 or 1, that occurs.
    """

    words: tuple[str, ...]
    quantities: frozenset[Quantity]
    identifiers: frozenset[str]
    greek: frozenset[str]
    laterality: frozenset[str]
    affirmed: frozenset[str]
    negated: frozenset[str]
    is_negated: bool
    sides: frozenset[tuple[int, int]]


def is_same(one: str, other: str) -> bool:
    """Whether two texts have the same words and symbols after normalisation; False if either is empty.

    Decoration in one of them only, such as a bullet or a picture, does not count.
    """
    if not one.strip() or not other.strip() or normalise(one).words != normalise(other).words:
        return False
    return signs(one) == signs(other) and symbols_differ(one, other) is None


def differs(answer: str, reference: str) -> str | None:
    """Describe the first fact that differs between two texts; None if no compared fact differs.

    Compared are opposite signs such as + and -, other symbols, numbers with units and comparators, identifiers such as
    L4 or T2, Greek letters that specify, written or spelled, laterality, negation, listed antonyms, and words that
    differ only in an opposite prefix. A number, a laterality or a negation in only one of the texts is a difference; a
    word such as "large" in only one of them is not.
    """
    found = signs_differ(answer, reference) or symbols_differ(answer, reference)
    if found is not None:
        return found
    one, other = normalise(answer), normalise(reference)
    if one.words == other.words:
        return None
    for compare in _COMPARISONS:
        found = compare(one, other)
        if found is not None:
            return found
    return None


def _listed(values: Iterable[object]) -> str:
    return ", ".join(sorted(map(str, values))) or "none"


def _quantities_differ(one: Text, other: Text) -> str | None:
    # "one nodule" and "a nodule" mean the same; "one" is compared only with other numbers.
    single = frozenset({Quantity("1")})
    mine = one.quantities if other.quantities else one.quantities - single
    theirs = other.quantities if one.quantities else other.quantities - single
    return None if mine == theirs else f"number: {_listed(mine)} against {_listed(theirs)}"


def _identifiers_differ(one: Text, other: Text) -> str | None:
    if not one.identifiers or not other.identifiers or one.identifiers == other.identifiers:
        return None
    return f"identifier: {_listed(one.identifiers)} against {_listed(other.identifiers)}"


def _greek_differs(one: Text, other: Text) -> str | None:
    """TNF-α and TNF-β, β1 and β2; a letter in only one of the texts is no difference, nor is a number of it."""
    first, second = ([match for name in text.greek if (match := GREEK_WORD.fullmatch(name))] for text in (one, other))
    letters = {match[1] for match in first}, {match[1] for match in second}
    numbered = {match[0] for match in first if match[2]}, {match[0] for match in second if match[2]}
    if first and second and (letters[0] != letters[1] or (all(numbered) and numbered[0] != numbered[1])):
        return f"Greek letter: {_listed(one.greek)} against {_listed(other.greek)}"
    return None


def _laterality_differs(one: Text, other: Text) -> str | None:
    if one.laterality == other.laterality:
        return None
    return f"laterality: {_listed(one.laterality)} against {_listed(other.laterality)}"


def _negation_differs(one: Text, other: Text) -> str | None:
    if one.is_negated != other.is_negated:
        return f"negation: {'negated' if one.is_negated else 'affirmed'} against the opposite"
    contradicted = (one.negated - one.affirmed) & (other.affirmed - other.negated)
    contradicted |= (one.affirmed - one.negated) & (other.negated - other.affirmed)
    return f"negation: of {_listed(contradicted)}" if contradicted else None


def _antonyms_differ(one: Text, other: Text) -> str | None:
    mine, theirs = _sides(one), _sides(other)
    for pair in sorted(mine.keys() & theirs.keys()):
        if mine[pair] != theirs[pair]:
            return f"opposites: {_words_of_pair(one, pair)} against {_words_of_pair(other, pair)}"
    return _prefixes_differ(one, other)


def _words_of_pair(text: Text, pair: int) -> str:
    """The words of the text that belong to a pair of antonyms."""
    return " and ".join(sorted((text.affirmed | text.negated) & (ANTONYMS[pair][0] | ANTONYMS[pair][1])))


def _sides(text: Text) -> dict[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for pair, side in text.sides:
        found[pair].add(side)
    return found


def _prefixes_differ(one: Text, other: Text) -> str | None:
    mine, theirs = one.affirmed | one.negated, other.affirmed | other.negated
    stems: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for word in sorted(mine - theirs):
        for prefix, stem in _splits(word):
            stems[stem].append((prefix, word))
    for word in sorted(theirs - mine):
        for prefix, stem in _splits(word):
            for opposite, match in stems.get(stem, ()):
                if frozenset((prefix, opposite)) in _OPPOSED:
                    return f"opposites: {match} against {word}"
    return None


def _splits(word: str) -> list[tuple[str, str]]:
    longest = min(_LONGEST_PREFIX, len(word) - _SHORTEST_STEM)
    lengths = [length for length in range(1, longest + 1) if word[:length] in _PREFIXES]
    return [("", word), *((word[:length], word[length:]) for length in lengths)]


_COMPARISONS = (
    _quantities_differ,
    _identifiers_differ,
    _greek_differs,
    _laterality_differs,
    _negation_differs,
    _antonyms_differ,
)


@lru_cache(maxsize=4096)
def normalise(text: str) -> Text:
    """Normalise a text; results are cached."""
    tokens, identifiers = read(text)
    words = tuple(str(token) if isinstance(token, Quantity) else token for token in tokens if token != CLAUSE_END)
    if not words:
        # "A" is an answer, and so is "+": a text that normalisation would make empty is kept.
        words = tuple(text.casefold().split())
    affirmed, negated, is_negated = _polarity(tokens)
    plain = [token for token in tokens if isinstance(token, str)]
    return Text(
        words=words,
        quantities=frozenset(token for token in tokens if isinstance(token, Quantity)),
        identifiers=identifiers,
        greek=frozenset(word for word in plain if GREEK_WORD.fullmatch(word)),
        laterality=frozenset(side for word in plain for side in LATERALITY.get(word, ())),
        affirmed=affirmed,
        negated=negated,
        is_negated=is_negated,
        sides=frozenset(side for word in plain for side in SIDES_OF_WORD.get(word, ())),
    )


def _polarity(tokens: Sequence[Token]) -> tuple[frozenset[str], frozenset[str], bool]:
    """The affirmed words, the negated words, and whether anything is negated.

    The scope of a negation is the rest of its clause or, for a word such as "absent" at the end of a clause, the part
    before it. Two negations in a clause ("not absent") cancel; "nor" continues the negation before it.
    """
    affirmed: set[str] = set()
    negated: set[str] = set()
    is_negated = False
    clause: list[str] = []
    for token in (*tokens, CLAUSE_END):
        if isinstance(token, Quantity):
            continue
        if token not in CLAUSE_BREAKS:
            clause.append(token)
            continue
        negations = [index for index, word in enumerate(clause) if word in NEGATORS]
        content = set(clause) - NEGATORS - EMPTY_WORDS
        if len(negations) % 2 == 0:
            affirmed.update(content)
        else:
            is_negated = True
            first, last = negations[0], negations[-1]
            negates_before = clause[last] in NEGATES_BEFORE and last == len(clause) - 1
            before, after = content & set(clause[:first]), content & set(clause[first:])
            negated.update(before if negates_before else after)
            affirmed.update(after if negates_before else before)
        clause = []
    return frozenset(affirmed), frozenset(negated), is_negated
