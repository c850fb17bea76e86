"""Answers that an encoder takes for synonyms: proposals for ``aliases``, to be read by a person."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medix.judge.clinical.guard import compare
from medix.judge.clinical.text import is_same, normalise
from medix.rewards.encoder import Encoder, encodable, unreadable
from medix.yaml_text import write_yaml

THRESHOLD = 0.85
"""Cosine similarity from which two answers are proposed. Of the answers of SLAKE and VQA-RAD, the small encoder
proposes two pairs, both right; from 0.75 on, it would propose four wrong ones more (``medix/audit/README.md``)."""

MOST_WORDS = 12
"""Longer answers are descriptions, of which none is a synonym of another."""

MOST_ANSWERS = 20_000
"""Distinct answers that are compared, the most frequent ones: 20,000 take 400 million products."""

_BLOCK = 1024
_REFUSED = 40

HEADER = """\
# Answers that an encoder takes for synonyms, to be read by a person before use: delete what is not the same.
# reference: other texts to accept. Read by: python -m medix shards build --aliases FILE
"""


@dataclass(frozen=True, slots=True)
class SynonymPair:
    """Two answers.

    Attributes:
        first, second: the answers, the more frequent one first.
        counts: how often each is a reference.
        cosine: of their embeddings; the smaller one of the texts and of the words that replace each other.
        fault: why the clinical guard refuses the pair; empty for a proposal.
    """

    first: str
    second: str
    counts: tuple[int, int]
    cosine: float
    fault: str = ""


@dataclass(frozen=True)
class Synonyms:
    """What was found.

    Attributes:
        proposals: pairs that are proposed, the most frequent first.
        refused: number of pairs that are as similar and that the guard refuses, such as left and right lung.
        refused_examples: the most similar of them.
        compared: distinct answers that were compared.
        left_out: distinct answers that were not: too long, unreadable for the encoder, or too rare if there are many.
    """

    proposals: tuple[SynonymPair, ...]
    refused: int
    refused_examples: tuple[SynonymPair, ...]
    compared: int
    left_out: int

    def aliases(self) -> dict[str, list[str]]:
        """For each answer the texts to accept, in both directions; answers that differ in case only are one key."""
        spelled: dict[str, str] = {}
        found: dict[str, list[str]] = {}
        for pair in self.proposals:
            for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
                key = spelled.setdefault(" ".join(one.casefold().split()), one)
                texts = found.setdefault(key, [])
                if other not in texts:
                    texts.append(other)
        return found

    def to_yaml(self) -> str:
        """The content of ``aliases.yaml``."""
        return HEADER + (write_yaml(self.aliases()) if self.proposals else "{}\n")


def find_synonyms(
    references: Mapping[str, int],
    encoder: Encoder,
    threshold: float = THRESHOLD,
    advance: Callable[[int], None] = lambda _: None,
) -> Synonyms:
    """Pairs of answers that are similar and that differ in no fact.

    A pair is proposed if the cosine similarity of its embeddings reaches the threshold, no number, unit, side, negation
    or other fact differs (``medix.judge.clinical.guard``), and the words that replace each other reach the threshold by
    themselves, as for the embedding reward. Answers that are equal after normalisation are one answer.

    Args:
        references: how often each answer occurs.
        encoder: any encoder.
        threshold: smallest cosine similarity.
        advance: is told each answer that was compared with the others.
    """
    answers, left_out = _compared(references, encoder)
    vectors = _embeddings(encoder, answers)
    pairs = [
        (answers[one], answers[other], cosine)
        for one, other, cosine in _similar(vectors, threshold, advance)
        if not is_same(answers[one], answers[other])
    ]
    proposals, refused = _guarded(pairs, references, encoder, threshold)
    proposals.sort(key=lambda pair: (-sum(pair.counts), pair.first, pair.second))
    refused.sort(key=lambda pair: (-pair.cosine, pair.first, pair.second))
    return Synonyms(tuple(proposals), len(refused), tuple(refused[:_REFUSED]), len(answers), left_out)


def _guarded(
    pairs: Sequence[tuple[str, str, float]], references: Mapping[str, int], encoder: Encoder, threshold: float
) -> tuple[list[SynonymPair], list[SynonymPair]]:
    """The pairs that are proposed, and those that the guard refuses."""
    compared = [compare(first, second) for first, second, _ in pairs]
    words = list(dict.fromkeys(text for one in compared if not one.fault for text in one.rest or ()))
    vectors = dict(zip(words, _embeddings(encoder, words), strict=True))
    proposals: list[SynonymPair] = []
    refused: list[SynonymPair] = []
    for (first, second, cosine), comparison in zip(pairs, compared, strict=True):
        fault = comparison.fault or ""
        if not fault and comparison.rest:
            cosine = min(cosine, float(vectors[comparison.rest[0]] @ vectors[comparison.rest[1]]))
            fault = "" if cosine >= threshold else f"{comparison.rest[0]} and {comparison.rest[1]} are not similar"
        counts = references[first], references[second]
        (refused if fault else proposals).append(SynonymPair(first, second, counts, cosine, fault))
    return proposals, refused


def _compared(references: Mapping[str, int], encoder: Encoder) -> tuple[list[str], int]:
    """The answers that are compared, the most frequent first, and how many are left out."""
    short = [text for text in references if 0 < len(text.split()) <= MOST_WORDS]
    spellings: dict[tuple[str, ...], str] = {}
    for text in sorted(short, key=lambda text: (-references[text], text)):
        spellings.setdefault(normalise(text).key, text)
    foreign = unreadable(encoder, list(spellings.values()))
    readable = [text for text in spellings.values() if text not in foreign]
    distinct = len({normalise(text).key for text in references})
    return readable[:MOST_ANSWERS], distinct - len(readable[:MOST_ANSWERS])


def _embeddings(encoder: Encoder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Unit vectors; zero for an embedding without length."""
    if not texts:
        return np.zeros((0, 1), np.float32)
    vectors = np.asarray(encoder.encode([encodable(text) for text in texts]), dtype=np.float32)
    unit: NDArray[np.float32] = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def _similar(
    vectors: NDArray[np.float32], threshold: float, advance: Callable[[int], None]
) -> Iterator[tuple[int, int, float]]:
    """Pairs whose cosine similarity reaches the threshold, the first index the smaller one."""
    for begin in range(0, len(vectors), _BLOCK):
        block = vectors[begin : begin + _BLOCK]
        cosines = block @ vectors[begin:].T
        for one, other in zip(*np.nonzero(cosines >= threshold), strict=True):
            if one < other:
                yield begin + int(one), begin + int(other), float(cosines[one, other])
        advance(len(block))


def reference_counts(references: Sequence[str]) -> Counter[str]:
    """How often each reference occurs, without white space around it."""
    return Counter(text.strip() for text in references)
