"""Credit for similarity of answer and reference under a sentence encoder, by a threshold."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from medix.judge.clinical.guard import Comparison, compare
from medix.judge.clinical.text import is_same
from medix.rewards.answer import AnswerRule, StrictAnswer
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent, Unscored
from medix.rewards.encoder import Encoder, SentenceEncoder, encodable, unreadable
from medix.rewards.held import Held
from medix.rewards.vectors import VectorTable

_Candidate = tuple[str, tuple[str, str] | None]
"""A reference, and the words of answer and reference that replace each other and must be similar by themselves."""
_Entry = tuple[str, tuple[_Candidate, ...]] | float | Unscored | None
"""An answer with the references to compare it with, or the score of a row, None if the component does not apply."""

_NO_REFERENCE = Unscored("the row has no reference to compare with")
ROUNDING = 1e-6
"""Tolerance of comparisons: in float32 a cosine of 0.8 may come out as 0.79999995."""


class EncodedReward(RewardComponent):
    """Base of the components that compare embeddings: one encoder call per batch, with each string once.

    A completion without a valid answer earns 0, and so does an answer that contradicts a fact of the reference, or
    one that the encoder cannot read (``medix.rewards.encoder.unreadable``). Where it can read neither the reference
    nor an alias, the component does not apply to the sample and its weight goes to the others. An answer that
    equals a reference after the normalisation of ``medix.judge.clinical.text`` is credited, also if neither can be
    read; the credit for one that equals an unreadable reference is in no mean, which would be one over right
    answers only. Where words of answer and reference replace each other, the smaller of two cosines counts: that of
    the texts, and that of these words. With ``guard`` off, cosines alone decide between readable texts. A row is
    unscored if the encoder fails.

    Args:
        encoder: the suite's encoder if not given, and MedEmbed-large, loaded on first use, if there is none either.
        guard: whether facts and the words around them must agree too (``medix.judge.clinical.guard``).
        answer_rule: extracts the answer from the completion; exactly one ``<answer>`` if not given.
        cached_references: number of reference embeddings kept for later steps; 0 keeps none.
    """

    def __init__(
        self, encoder: Encoder | None, guard: bool, answer_rule: AnswerRule | None, cached_references: int
    ) -> None:
        super().__init__()
        self._is_given = encoder is not None
        self._encoder: Held[Encoder] = Held(encoder if encoder is not None else SentenceEncoder())
        self.guard = guard
        self.answer_rule = answer_rule or StrictAnswer()
        self.cached_references = cached_references
        self._table = VectorTable(cached_references)

    @property
    def encoder(self) -> Encoder:
        """The encoder in use."""
        return self._encoder.value

    @property
    def references_cached(self) -> int:
        """References whose embedding was cached; each counts once per batch, however many rows share it."""
        return self._table.found

    @property
    def references_encoded(self) -> int:
        """References that had to be encoded."""
        return self._table.missed

    def use_encoder(self, encoder: Encoder, *, replace: bool) -> None:
        """Use the suite's encoder; cached embeddings of the previous one are dropped."""
        if replace or not self._is_given:
            self._encoder, self._is_given = Held(encoder), True
            self._table = VectorTable(self.cached_references)

    @abstractmethod
    def _credit_of(self, cosine: float) -> float:
        """The credit for a cosine similarity."""

    def score(self, batch: RewardBatch) -> ComponentScores:
        """Credit for the most similar reference; unscored if the encoder fails. All strings are encoded in one call.

        Not applicable where the encoder can read neither the reference nor an alias, unless the answer equals one.
        """
        rows, left_out = self._rows(batch)
        candidates = [(row[0], *candidate) for row in rows if isinstance(row, tuple) for candidate in row[1]]
        pairs = list(dict.fromkeys((answer, text) for answer, text, _ in candidates))
        cosines = self._cosines(pairs, list(dict.fromkeys(rest for _, _, rest in candidates if rest)))
        if isinstance(cosines, Unscored):
            scores = [cosines if isinstance(row, tuple) else row for row in rows]
        else:
            scores = [self._credit(row, cosines) if isinstance(row, tuple) else row for row in rows]
        return ComponentScores.of(scores, left_out=left_out)

    def unread(self, batch: RewardBatch) -> list[str]:
        """Per row, why the encoder can read none of the references; empty if it reads one, or there is none.

        Args:
            batch: its completions are not used.

        Raises:
            Exception: whatever the encoder raises when its tokenizer cannot be loaded.
        """
        references = self.answer_rule.references(batch)
        reasons = unreadable(self.encoder, [text for texts in references for text in texts])
        return [reasons[texts[0]] if texts and reasons.keys() >= set(texts) else "" for texts in references]

    def _rows(self, batch: RewardBatch) -> tuple[list[_Entry], list[bool]]:
        """Per row, the answer and the references to compare it with, or its value if no comparison is needed; and
        whether the encoder can read none of its references, so that only an equal answer is scored.
        """
        answers, references = self.answer_rule.answers(batch), self.answer_rule.references(batch)
        texts = [text for texts in references for text in texts] + [text for text in answers if text is not None]
        try:
            foreign = unreadable(self.encoder, texts).keys()
        except Exception as error:  # noqa: BLE001 - an encoder is foreign code; its failure is a reason, not a zero
            failed = Unscored(f"the encoder {self.encoder!r:.100} failed: {type(error).__name__}: {error}")
            rows = [self._row(*row, frozenset()) for row in zip(answers, references, strict=True)]
            return [failed if isinstance(row, tuple) else row for row in rows], [False] * len(rows)
        rows = [self._row(*row, foreign) for row in zip(answers, references, strict=True)]
        return rows, [bool(texts) and foreign >= set(texts) for texts in references]

    def _row(self, answer: str | None, references: tuple[str, ...], foreign: Set[str]) -> _Entry:
        """The entry of one row.

        Args:
            answer: the answer, if there is a valid one.
            references: the reference and its aliases.
            foreign: texts that the encoder cannot read.
        """
        readable = tuple(text for text in references if text not in foreign)
        if not references:
            return _NO_REFERENCE if answer is not None else 0.0
        if answer is not None and (settled := self.answer_rule.settled(answer, references)) is not None:
            return settled
        if answer is not None and (answer in foreign or not readable):
            equal = any(is_same(answer, text) for text in references)
            return self._credit_of(1.0) if equal else 0.0 if readable else None
        if not readable:
            return None  # of the sample, whatever its completions are
        if answer is None:
            return 0.0
        compared = [(text, compare(answer, text) if self.guard else Comparison()) for text in readable]
        agreeing = tuple((text, comparison.rest) for text, comparison in compared if comparison.fault is None)
        return (answer, agreeing) if agreeing else 0.0

    def _credit(
        self, row: tuple[str, tuple[_Candidate, ...]], cosines: Mapping[tuple[str, str], float]
    ) -> float | Unscored:
        answer, candidates = row
        is_equal = self.guard and any(is_same(answer, text) for text, _ in candidates)
        found = [min(cosines[answer, text], cosines[rest] if rest else 1.0) for text, rest in candidates]
        if not all(map(math.isfinite, found)):
            return Unscored(f"the encoder {self.encoder!r:.100} returned an embedding that is not finite")
        return self._credit_of(1.0 if is_equal else max(found))

    def _cosines(
        self, pairs: list[tuple[str, str]], rests: list[tuple[str, str]]
    ) -> dict[tuple[str, str], float] | Unscored:
        """The cosine similarity of each pair of answer and reference, and of the words in which they differ."""
        if not pairs:
            return {}
        references = list(dict.fromkeys(reference for _, reference in pairs))
        pairs = list(dict.fromkeys((*pairs, *rests)))
        texts = list(dict.fromkeys(text for pair in pairs for text in pair))
        vectors = self._encode(texts, references)
        if isinstance(vectors, Unscored):
            return vectors
        position = {text: index for index, text in enumerate(texts)}
        answers = vectors[[position[answer] for answer, _ in pairs]]
        others = vectors[[position[other] for _, other in pairs]]
        return dict(zip(pairs, (answers * others).sum(dim=1).tolist(), strict=True))

    def _encode(self, texts: list[str], references: list[str]) -> Float[Tensor, "text width"] | Unscored:
        """Unit vectors in float64; a zero vector stays zero, so that its cosine similarity with any other is 0."""
        encoder = self.encoder
        known = self._table.look_up(encoder, texts, references)
        asked = [text for text in texts if text not in known]
        new = self._ask(encoder, asked) if asked else {}
        if isinstance(new, Unscored):
            return new
        if new and known and len(next(iter(new.values()))) != len(next(iter(known.values()))):
            self._table.forget()  # the encoder has changed: embeddings of another width cannot be compared
            known, new = {}, self._ask(encoder, texts)
            if isinstance(new, Unscored):
                return new
        vectors = known | new
        self._table.keep(encoder, {text: new[text] for text in references if text in new})
        return _unit(torch.stack([vectors[text].to(torch.float64) for text in texts]))

    def _ask(self, encoder: Encoder, texts: list[str]) -> dict[str, Tensor] | Unscored:
        """One embedding per text, as the encoder returns it."""
        try:
            vectors = _as_tensor(encoder.encode([encodable(text) for text in texts]))
        except Exception as error:  # noqa: BLE001 - an encoder is foreign code; its failure is a reason, not a zero
            return Unscored(f"the encoder {encoder!r:.100} failed: {type(error).__name__}: {error}")
        if vectors.ndim != 2 or vectors.shape[0] != len(texts):
            shape = tuple(vectors.shape)
            return Unscored(f"the encoder {encoder!r:.100} returned shape {shape} for {len(texts)} texts")
        return dict(zip(texts, vectors.unbind(), strict=True))


class EmbeddingReward(EncodedReward):
    """1 if the cosine similarity of answer and reference (or an alias) reaches the threshold (arXiv:2602.23363, R_emb).

    Deviates: no credit where a fact such as a number, unit, side or negation differs between the two or stands
    elsewhere, or a word of only one of them cannot be explained, because encoders give "left lung" and "right lung"
    a similarity of 0.92; words that replace each other must reach the threshold by themselves. ``guard=False`` is
    the published behaviour.

    With an encoder whose embeddings do not depend on the batch, scores are bit-identical with and without cached
    references. With real encoders, padding changes cosine similarities by about 1e-7, which matters only within that
    distance of the threshold.

    Args:
        encoder: the suite's encoder if not given, and MedEmbed-large, loaded on first use, if there is none either.
        threshold: smallest cosine similarity that earns credit.
        guard: whether facts must agree too.
        answer_rule: what of the completion is compared; exactly one ``<answer>`` if not given.
        cached_references: number of reference embeddings kept for later steps, the least recently used dropped first;
            0 keeps none. An encoder whose weights change needs 0.
    """

    def __init__(
        self,
        encoder: Encoder | None = None,
        threshold: float = 0.8,
        guard: bool = True,
        answer_rule: AnswerRule | None = None,
        cached_references: int = 20_000,
    ) -> None:
        super().__init__(encoder, guard, answer_rule, cached_references)
        if not -1 <= threshold <= 1:
            raise ValueError(f"threshold: {threshold} is not a cosine similarity; give a number from -1 to 1")
        self.threshold = threshold

    def _credit_of(self, cosine: float) -> float:
        return float(cosine >= self.threshold - ROUNDING)


def _as_tensor(vectors: Any) -> Tensor:
    if isinstance(vectors, Tensor):
        return vectors.detach().cpu()
    array: np.ndarray[Any, Any] = np.asarray(vectors)
    return torch.tensor(array if array.dtype.kind == "f" else array.astype(np.float64))


def _unit(vectors: Float[Tensor, "text width"]) -> Float[Tensor, "text width"]:
    # scaled first, so that squares do not overflow
    vectors = vectors / vectors.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
    norms: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors / norms.clamp_min(torch.finfo(torch.float64).tiny)
