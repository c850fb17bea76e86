"""Graded credit for similarity of answer and reference under a sentence encoder."""

from medix.rewards.answer import AnswerRule
from medix.rewards.embedding import ROUNDING, EncodedReward
from medix.rewards.encoder import Encoder


class SimilarityReward(EncodedReward):
    """Similarity of answer and reference: 0 up to a floor, 1 at equality, linear in between.

    The value is (cosine - floor) / (1 - floor), clamped to [0, 1], for the most similar of reference and aliases; 0
    where a fact differs, as in ``EmbeddingReward``. Use it where a threshold gives no signal because no completion of a
    group reaches it yet, or all do. It also rewards wording, so combine it with a judge of larger weight. No published
    recipe uses it; the threshold of arXiv:2602.23363 is ``EmbeddingReward``.

    Args:
        encoder: the suite's encoder if not given, and MedEmbed-large, loaded on first use, if there is none either.
        floor: largest cosine similarity that earns nothing. Of the pairs of 49 unrelated short answers, 99 % are at or
            below 0.51 with the offline encoder; an encoder with a narrower range of similarities needs a higher floor.
        guard: whether facts must agree too.
        answer_rule: extracts the answer from the completion; exactly one ``<answer>`` if not given.
        cached_references: number of reference embeddings kept for later steps. 0 by default: a cached embedding was
            computed in another batch, where most encoders round differently, so that the rewards of a resumed run,
            which starts with an empty cache, would differ in the last digits from those of an uninterrupted one.
    """

    def __init__(
        self,
        encoder: Encoder | None = None,
        floor: float = 0.5,
        guard: bool = True,
        answer_rule: AnswerRule | None = None,
        cached_references: int = 0,
    ) -> None:
        super().__init__(encoder, guard, answer_rule, cached_references)
        if not -1 <= floor < 1:
            raise ValueError(f"floor: {floor} is not a cosine similarity below 1; give a number such as 0.5")
        self.floor = floor

    def _credit_of(self, cosine: float) -> float:
        if cosine >= 1 - ROUNDING:
            return 1.0
        return max(0.0, (cosine - self.floor) / (1 - self.floor))
