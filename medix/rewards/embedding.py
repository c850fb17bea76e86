"""Credit for being near the reference in the space of a sentence encoder."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from medix.judge.clinical_text import differs
from medix.rewards.answer import AnswerRule, StrictAnswer
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent, Unscored
from medix.rewards.encoder import Encoder, SentenceEncoder
from medix.rewards.held import Held

_NO_REFERENCE = Unscored("the row has no reference to compare with")
_ROUNDING = 1e-6  # an encoder in float32 gives a cosine of 0.8 as 0.79999995


class EmbeddingReward(RewardComponent):
    """1 if the cosine of answer and reference (or an alias) reaches the threshold (arXiv:2602.23363, R_emb).

    Deviates: no credit where a number, unit, side, negation or listed antonym differs between the two, because encoders
    rate "left lung" and "right lung" at 0.92; ``guard=False`` gives the published behaviour.

    Args:
        encoder: the suite's encoder if not given, and MedEmbed-large, loaded on first use, if there is none either.
        threshold: least cosine that counts.
        guard: whether facts must agree as well.
        answer_rule: what of the completion is compared; exactly one ``<answer>`` if not given.
    """

    def __init__(
        self,
        encoder: Encoder | None = None,
        threshold: float = 0.8,
        guard: bool = True,
        answer_rule: AnswerRule | None = None,
    ) -> None:
        super().__init__()
        if not -1 <= threshold <= 1:
            raise ValueError(f"threshold: {threshold} is no cosine; give a number from -1 to 1, as a rule 0.8")
        self._is_given = encoder is not None
        self._encoder: Held[Encoder] = Held(encoder if encoder is not None else SentenceEncoder())
        self.threshold = threshold
        self.guard = guard
        self.answer_rule = answer_rule or StrictAnswer()

    @property
    def encoder(self) -> Encoder:
        """What encodes."""
        return self._encoder.value

    def use_encoder(self, encoder: Encoder, *, replace: bool) -> None:
        """Take the suite's encoder."""
        if replace or not self._is_given:
            self._encoder, self._is_given = Held(encoder), True

    def score(self, batch: RewardBatch) -> ComponentScores:
        """1 or 0; unscored where the encoder failed. All strings are encoded in one call, each once."""
        rows = self._rows(batch)
        pairs = [row for row in rows if isinstance(row, tuple)]
        texts = list(dict.fromkeys(text for answer, references in pairs for text in (answer, *references)))
        vectors = self._encode(texts) if texts else torch.zeros(0, 0, dtype=torch.float64)
        if isinstance(vectors, Unscored):
            return ComponentScores.of([vectors if isinstance(row, tuple) else row for row in rows])
        position = {text: index for index, text in enumerate(texts)}
        return ComponentScores.of(
            [self._credit(row, vectors, position) if isinstance(row, tuple) else row for row in rows]
        )

    def _rows(self, batch: RewardBatch) -> list[tuple[str, tuple[str, ...]] | float | Unscored]:
        """What to compare in each row, or its value where nothing need be compared."""
        rows: list[tuple[str, tuple[str, ...]] | float | Unscored] = []
        for answer, texts in zip(self.answer_rule.answers(batch), self.answer_rule.references(batch), strict=True):
            settled = None if answer is None or not texts else self.answer_rule.settled(answer, texts)
            if answer is None:
                rows.append(0.0)
            elif not texts:
                rows.append(_NO_REFERENCE)
            elif settled is not None:
                rows.append(settled)
            else:
                agreeing = tuple(text for text in texts if not (self.guard and differs(answer, text)))
                rows.append((answer, agreeing) if agreeing else 0.0)
        return rows

    def _credit(
        self, row: tuple[str, tuple[str, ...]], vectors: Float[Tensor, "text width"], position: dict[str, int]
    ) -> float | Unscored:
        answer, references = row
        cosines = vectors[[position[text] for text in references]] @ vectors[position[answer]]
        if not bool(torch.isfinite(cosines).all()):
            return Unscored(f"the encoder {self.encoder!r:.100} gave a vector that is not finite")
        return float(cosines.max().item() >= self.threshold - _ROUNDING)

    def _encode(self, texts: list[str]) -> Float[Tensor, "text width"] | Unscored:
        """Unit vectors in float64; a zero vector stays zero, so that its cosine with anything is 0."""
        try:
            vectors = _as_tensor(self.encoder.encode(texts))
        except Exception as error:  # noqa: BLE001 - an encoder is foreign code; its failure is a reason, not a zero
            return Unscored(f"the encoder {self.encoder!r:.100} failed: {type(error).__name__}: {error}")
        if vectors.ndim != 2 or vectors.shape[0] != len(texts):
            shape = tuple(vectors.shape)
            return Unscored(f"the encoder {self.encoder!r:.100} gave shape {shape} for {len(texts)} texts")
        # scaled first: the square of a large number is infinite
        vectors = vectors / vectors.abs().amax(dim=1, keepdim=True).clamp_min(torch.finfo(torch.float64).tiny)
        norms: Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
        return vectors / norms.clamp_min(torch.finfo(torch.float64).tiny)


def _as_tensor(vectors: Any) -> Tensor:
    if isinstance(vectors, Tensor):
        return vectors.detach().to("cpu", torch.float64)
    array: np.ndarray[Any, Any] = np.asarray(vectors, dtype=np.float64)
    return torch.tensor(array, dtype=torch.float64)
