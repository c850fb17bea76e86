"""Credit for reasoning that is consistent with the modality of the image."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from medix.grammar import Fault, Parsed
from medix.modality import ModalitySet
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent, Unscored
from medix.rewards.modality_words import DENIALS, DENIALS_AFTER, ELSEWHERE, LEXICON

_TAG = re.compile(r"</?[A-Za-z][A-Za-z0-9_]{0,40}>")
# A period ends a sentence unless a letter or digit follows immediately, as in 4.5 and e.g
_TOKEN = re.compile(r"[0-9]+(?:[.,][0-9]+)*(?:(?![a-z0-9])|(?=hu\b))|[a-z0-9]+(?:&[a-z0-9]+)*|[.!?](?![a-z0-9])|[;\n]")
_ENDS = frozenset(".!?;\n")
_SUBSCRIPTS = {ord(sign): str(digit) for digit, sign in enumerate("₀₁₂₃₄₅₆₇₈₉")}
_BEFORE, _AFTER = 6, 4
_ABBREVIATED = frozenset({"vs", "approx", "fig", "dr"})

Phrases = dict[str, dict[int, set[tuple[str, ...]]]]
"""Phrases as tuples of words, by first word and number of words."""


class ModalityConsistencyReward(RewardComponent):
    """0 if the completion describes what only another modality can show, such as Hounsfield units on an X-ray; else 1.

    For reasoning that names the right tag and then describes another kind of image, which rewards on tag and answer do
    not detect. Give it a small weight. No published recipe uses it.

    The whole completion, without tags, is read sentence by sentence. A term of the lexicon counts against it if the
    sample's modality is not among those of the term and the sentence asserts it. A term does not count if the sentence
    recommends, compares or generalises ("a CT is recommended", "unlike on MRI", "typically hypoechoic on ultrasound"),
    if a negation or hedge precedes it within six words ("not a CT image", "could be T2-weighted"), or if question,
    reference or an alias contains it. These rules prefer false negatives: a missed term costs little, because the
    answer is graded elsewhere, but penalising a correct finding would teach the policy to say less.

    A completion without exactly one non-empty reasoning block earns 0, because empty reasoning would otherwise always
    be consistent. Does not apply to text-only samples, nor to modalities without an entry in the lexicon: GRAPHICS,
    which may depict anything, and OTHER.

    Args:
        terms: additional terms with their modalities, in lower case, hyphens as spaces, ``#`` for a number:
            ``{"signal void": ["MRI_SCAN"]}``. A term of the lexicon is replaced, and removed if it has no modality.
    """

    def __init__(self, terms: dict[str, list[str]] | None = None) -> None:
        super().__init__()
        self.terms = dict(terms or {})
        self._homes = _homes(self.terms)
        self._phrases = _by_first_word(self._homes)
        self._covered = frozenset(name for names in self._homes.values() for name in names)

    def score(self, batch: RewardBatch) -> ComponentScores:
        """1 or 0; not applicable without a modality of the lexicon; unscored if ``terms`` names an unknown one."""
        unknown = _unknown(self.terms, batch.modality_set)
        values: list[float | Unscored | None] = []
        for row, (completion, modality) in enumerate(zip(batch.completions, batch.modalities, strict=True)):
            if modality is None or modality not in self._covered:
                values.append(None)
            elif unknown:
                values.append(unknown)
            elif not _has_reasoning(batch.parsed[row]):
                values.append(0.0)
            else:
                given = (batch.questions[row], batch.references[row], *batch.aliases[row])
                values.append(float(next(self._claims(completion, modality, given), None) is None))
        return ComponentScores.of(values)

    def foreign_terms(self, completion: str, modality: str, given: Iterable[str] = ()) -> tuple[str, ...]:
        """The terms that count against a completion, in order of appearance, to explain a score.

        Args:
            completion: everything the policy wrote.
            modality: of the image.
            given: question, reference and aliases, whose terms do not count.
        """
        return tuple(self._claims(completion, modality, given))

    def _claims(self, completion: str, modality: str, given: Iterable[str]) -> Iterator[str]:
        allowed: set[str] | None = None
        for words in _sentences(_TAG.sub("\n", completion)):
            found = [
                (start, phrase)
                for start, phrase in _occurrences(words, self._phrases)
                if modality not in self._homes[phrase] and not _is_denied(words, start, start + len(phrase))
            ]
            if not found or next(_occurrences(words, _ELSEWHERE), None) is not None:
                continue
            if allowed is None:
                allowed = {" ".join(phrase) for text in given for phrase in self._named(text)}
            yield from (term for _, phrase in found if (term := " ".join(phrase)) not in allowed)

    def _named(self, text: str) -> Iterator[tuple[str, ...]]:
        return (phrase for words in _sentences(text) for _, phrase in _occurrences(words, self._phrases))


def _has_reasoning(parsed: Parsed) -> bool:
    return parsed.reasoning is not None and Fault.EMPTY_REASONING not in parsed.faults


def _homes(terms: Mapping[str, Sequence[str]]) -> dict[tuple[str, ...], frozenset[str]]:
    """Each term as words, with its modalities."""
    homes = {tuple(term.split()): frozenset(entry.modalities) for entry in LEXICON for term in entry.terms}
    for term, names in terms.items():
        words = tuple(term.split())
        if not words or [word for word in words if word != "#" and not _TOKEN.fullmatch(word)]:
            raise ValueError(
                f"ModalityConsistencyReward.terms: {term!r} cannot be found in a text; give words of lower-case "
                "letters and digits with single spaces, # for a number"
            )
        homes[words] = frozenset(names)
    return {words: names for words, names in homes.items() if names}


def _unknown(terms: Mapping[str, Sequence[str]], modalities: ModalitySet) -> Unscored | None:
    """Reject unknown modalities: a misspelt one would make the term count against every image."""
    for term, names in terms.items():
        wrong = [name for name in names if name not in modalities]
        if wrong:
            return Unscored(
                f"ModalityConsistencyReward.terms[{term!r}]: {wrong[0]!r} is not in the modality set; known: "
                f"{', '.join(modalities)}"
            )
    return None


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


def _occurrences(words: Sequence[str], phrases: Phrases) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Start positions of the phrases."""
    for start, word in enumerate(words):
        for length, listed in phrases.get(word, {}).items():
            phrase = tuple(words[start : start + length])
            if phrase in listed:
                yield start, phrase


def _is_denied(words: Sequence[str], start: int, end: int) -> bool:
    """Whether a negation or hedge shortly precedes the term, or a negation shortly follows it."""
    if not _DENIALS.isdisjoint(words[max(0, start - _BEFORE) : start]):
        return True
    after = words[end : end + _AFTER + 1]
    return any(offset < _AFTER for offset, _ in _occurrences(after, _DENIALS_AFTER))


_DENIALS = frozenset(DENIALS)
_DENIALS_AFTER = _by_first_word(tuple(phrase.split()) for phrase in DENIALS_AFTER)
_ELSEWHERE = _by_first_word(tuple(phrase.split()) for phrase in ELSEWHERE)
