"""Words of imaging that only some modalities have, and where a text asserts them; see ``modality_terms.toml``."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from medix.judge.clinical.lexicon import data

_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9_]{0,40}>")
# A period ends a sentence unless a letter or digit follows immediately, as in 4.5 and e.g
_TOKEN = re.compile(r"[0-9]+(?:[.,][0-9]+)*(?:(?![a-z0-9])|(?=hu\b))|[a-z0-9]+(?:&[a-z0-9]+)*|[.!?](?![a-z0-9])|[;\n]")
_ENDS = frozenset(".!?;\n")
_SUBSCRIPTS = {ord(sign): str(digit) for digit, sign in enumerate("₀₁₂₃₄₅₆₇₈₉")}
_BEFORE, _AFTER = 6, 4
_ABBREVIATED = frozenset({"vs", "approx", "fig", "dr"})

Phrases = dict[str, dict[int, set[tuple[str, ...]]]]
"""Phrases as tuples of words, by first word and number of words."""


@dataclass(frozen=True, slots=True)
class ModalityEntry:
    """Terms that belong to the same modalities.

    Attributes:
        modalities: where they may be said.
        reason: why there, and why nowhere else.
        terms: words in lower case, hyphens as spaces; ``#`` is a number.
    """

    modalities: tuple[str, ...]
    reason: str
    terms: tuple[str, ...]


_DATA = data("modality_terms.toml")
ENTRIES = tuple(
    ModalityEntry(tuple(entry["modalities"]), entry["reason"], tuple(entry["terms"])) for entry in _DATA["entries"]
)
NAMES: Mapping[str, tuple[str, ...]] = {modality: tuple(names) for modality, names in _DATA["names"].items()}
ELSEWHERE: tuple[str, ...] = tuple(_DATA["elsewhere"])
DENIALS: tuple[str, ...] = tuple(_DATA["denials"])
DENIALS_AFTER: tuple[str, ...] = tuple(_DATA["denials_after"])
QUALIFIERS: frozenset[str] = frozenset(_DATA["qualifiers"])


def _pointers(
    pictures: Sequence[str], before: Sequence[str], after: Sequence[str], verbs: Sequence[str]
) -> Iterator[str]:
    """Phrases such as "the image provided is a"."""
    named = [*pictures, *(f"{word} {picture}" for word in before for picture in pictures)]
    named += [f"{word} medical {picture}" for word in before for picture in pictures if word != "medical"]
    whole = [*named, *(f"{picture} {word}" for word in after for picture in pictures)]
    for verb in verbs:
        if not verb.startswith("shows"):  # "this shows a" may be said of a finding
            yield f"this {verb}"
        yield from (f"{which} {picture} {verb}" for which in ("this", "the") for picture in whole)


POINTERS: tuple[str, ...] = tuple(_pointers(**_DATA["pointers"]))
FOLLOWERS: frozenset[str] = frozenset(_DATA["followers"])
ASKS_MODALITY: tuple[str, ...] = tuple(_DATA["asks_modality"])
PREFERENCE: tuple[str, ...] = tuple(_DATA["preference"])


class ModalityTerms:
    """Finds the terms of other modalities in texts.

    A term counts if the sentence asserts it; a body part, plane or the like between "this" and a name does not matter
    ("this chest x-ray"), and "this is a" is as good as "this". It does not if the sentence recommends, compares or
    generalises ("a CT is recommended", "unlike on MRI", "typically hypoechoic on ultrasound"), or if a negation or
    hedge precedes it within six words ("not a CT image", "could be T2-weighted"). These rules prefer false negatives.

    Args:
        terms: additional terms with their modalities, in lower case, hyphens as spaces, ``#`` for a number. A listed
            term is replaced, and removed if it has no modality.
        where: what ``terms`` is called in messages.

    Attributes:
        covered: the modalities of which there are terms; of others nothing can be said.

    Raises:
        ValueError: a term cannot be found in a text.
    """

    def __init__(self, terms: Mapping[str, Sequence[str]] | None = None, where: str = "terms") -> None:
        self._homes = _homes(terms or {}, where)
        self._phrases = _by_first_word(self._homes)
        self.covered = frozenset(name for names in self._homes.values() for name in names)

    def foreign(self, text: str, modality: str, given: Iterable[str] = ()) -> Iterator[str]:
        """The terms that a text asserts and that its modality does not have, in order of appearance.

        Args:
            text: any text; tags such as ``<think>`` end a sentence.
            modality: of the image.
            given: texts whose terms do not count, such as question and reference.
        """
        allowed: set[str] | None = None
        for words in _sentences(_TAG.sub("\n", text)):
            found = [
                phrase
                for view, start, phrase in self._occurrences(words)
                if modality not in self._homes[phrase] and not _is_denied(view, start, start + len(phrase))
            ]
            if not found or next(_occurrences(words, _ELSEWHERE), None) is not None:
                continue
            if allowed is None:
                allowed = {" ".join(phrase) for text in given for phrase in self._named(text)}
            yield from (term for phrase in found if (term := " ".join(phrase)) not in allowed)

    def _named(self, text: str) -> Iterator[tuple[str, ...]]:
        return (phrase for words in _sentences(text) for *_, phrase in self._occurrences(words))

    def _occurrences(self, words: list[str]) -> Iterator[tuple[list[str], int, tuple[str, ...]]]:
        """Each phrase with the words that it stands in and its start, also behind a pointer or qualifiers."""
        for start, phrase in _occurrences(words, self._phrases):
            yield words, start, phrase
        plain, pointed = _plain(words)
        if len(plain) < len(words):
            named = {phrase for _, phrase in _occurrences(words, self._phrases)}
            for start, phrase in _occurrences(plain, self._phrases):
                is_whole = start not in pointed or _ends_name(plain, start + len(phrase))
                if phrase[0] == "this" and phrase not in named and is_whole:
                    yield plain, start, phrase


def named_modalities(text: str) -> frozenset[str]:
    """The modalities under which a text may stand that is nothing but the name of one; empty for any other text."""
    return _names().get(" ".join(word for words in _sentences(text) for word in words), frozenset())


def asks_modality(question: str) -> bool:
    """Whether a question asks what kind of picture this is, and not which examination would be best."""
    words = [word for sentence in _sentences(question) for word in sentence]
    asked = next(_occurrences(words, _ASKS), None) is not None
    return asked and next(_occurrences(words, _OTHER_EXAMINATION), None) is None


@lru_cache(maxsize=1)
def _names() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for modality, names in NAMES.items():
        for name in names:
            found.setdefault(" ".join(word for words in _sentences(name) for word in words), set()).add(modality)
    return {name: frozenset(modalities) for name, modalities in found.items()}


def _homes(terms: Mapping[str, Sequence[str]], where: str) -> dict[tuple[str, ...], frozenset[str]]:
    """Each term as words, with its modalities."""
    homes = {tuple(term.split()): frozenset(entry.modalities) for entry in ENTRIES for term in entry.terms}
    for term, names in terms.items():
        words = tuple(term.split())
        if not words or [word for word in words if word != "#" and not _TOKEN.fullmatch(word)]:
            raise ValueError(
                f"{where}: {term!r} cannot be found in a text; give words of lower-case letters and digits with "
                "single spaces, # for a number"
            )
        homes[words] = frozenset(names)
    return {words: names for words, names in homes.items() if names}


def _by_first_word(phrases: Iterable[tuple[str, ...]]) -> Phrases:
    table: Phrases = {}
    for phrase in phrases:
        table.setdefault(phrase[0], {}).setdefault(len(phrase), set()).add(phrase)
    return table


def _sentences(text: str) -> Iterator[list[str]]:
    """Words in lower case, numbers as ``#``, sentence by sentence."""
    words: list[str] = []
    for token in _TOKEN.findall(text.translate(_SUBSCRIPTS).lower()):
        if token not in _ENDS:
            is_number = token[0].isdecimal() and token.replace(".", "").replace(",", "").isdecimal()
            words.append("#" if is_number else token)
        elif token == "." and words and words[-1] in _ABBREVIATED:
            continue
        elif words:
            yield words
            words = []
    if words:
        yield words


def _plain(words: list[str]) -> tuple[list[str], frozenset[int]]:
    """The words without the qualifiers that follow "this", with "this" for pointers, and where it stands for them."""
    kept: list[str] = []
    pointed: set[int] = set()
    ends = {start: start + len(phrase) for start, phrase in _occurrences(words, _POINTERS)}
    place, is_pointed = 0, False
    while place < len(words):
        if place in ends:
            pointed.add(len(kept))
        if place in ends or words[place] == "this":
            kept.append("this")
            place, is_pointed = ends.get(place, place + 1), True
            continue
        is_pointed = is_pointed and _is_qualifier(words, place)
        if not is_pointed:
            kept.append(words[place])
        place += 1
    return kept, frozenset(pointed)


def _is_qualifier(words: list[str], place: int) -> bool:
    if words[place] == "and":
        return {words[place - 1], *words[place + 1 : place + 2]} <= QUALIFIERS
    return words[place] in QUALIFIERS


def _ends_name(words: list[str], place: int) -> bool:
    """Whether what stands here belongs to the name of a picture: qualifiers count as parts of the name."""
    after = next((word for word in words[place:] if word not in QUALIFIERS), None)
    return after is None or after in FOLLOWERS


def _occurrences(words: Sequence[str], phrases: Phrases) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Start positions of the phrases."""
    for start, word in enumerate(words):
        for length, listed in phrases.get(word, {}).items():
            phrase = tuple(words[start : start + length])
            if phrase in listed:
                yield start, phrase


def _is_denied(words: Sequence[str], start: int, end: int) -> bool:
    """Whether a negation or hedge shortly precedes the term, or a negation shortly follows it."""
    if not _DENIED.isdisjoint(words[max(0, start - _BEFORE) : start]):
        return True
    after = words[end : end + _AFTER + 1]
    return any(offset < _AFTER for offset, _ in _occurrences(after, _DENIED_AFTER))


_DENIED = frozenset(DENIALS)
_DENIED_AFTER = _by_first_word(tuple(phrase.split()) for phrase in DENIALS_AFTER)
_ELSEWHERE = _by_first_word(tuple(phrase.split()) for phrase in ELSEWHERE)
_POINTERS = _by_first_word(tuple(phrase.split()) for phrase in POINTERS)
_ASKS = _by_first_word(tuple(phrase.split()) for phrase in ASKS_MODALITY)
_OTHER_EXAMINATION = _by_first_word(tuple(phrase.split()) for phrase in (*ELSEWHERE, *PREFERENCE))
