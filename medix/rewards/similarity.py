"""Credit by degrees for being near the reference in the space of a sentence encoder."""

from medix.rewards.answer import AnswerRule
from medix.rewards.embedding import ROUNDING, EncodedReward
from medix.rewards.encoder import Encoder


class SimilarityReward(EncodedReward):
    """How near the answer is to the reference: 0 up to a floor, 1 at equality, in a straight line between.

    The value is (cosine - floor) / (1 - floor), held to [0, 1], of the nearest of reference and aliases; 0 where a fact
    differs, as in ``EmbeddingReward``. Use it where a threshold teaches nothing because no completion of a group
    reaches it yet, or all do. It pays for wording too, so that it belongs beside a judge and below it in weight. No
    published recipe uses it; the threshold of arXiv:2602.23363 is ``EmbeddingReward``.

    Args:
        encoder: the suite's encoder if not given, and MedEmbed-large, loaded on first use, if there is none either.
        floor: cosine that still earns nothing. Of the pairs of 49 unrelated short answers 99 in 100 stay at or below
            0.51 with the offline encoder; an encoder that keeps its cosines closer together needs a higher floor.
        guard: whether facts must agree as well.
        answer_rule: what of the completion is compared; exactly one ``<answer>`` if not given.
        cached_references: vectors of references that are kept for later steps. None by default: a kept vector comes
            from another batch, where most encoders round otherwise, and a run that is resumed with an empty table would
            differ from one that was not stopped in the last digits of its rewards.
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
            raise ValueError(f"floor: {floor} leaves no cosine above it; give a number from -1 to below 1, such as 0.5")
        self.floor = floor

    def _credit_of(self, cosine: float) -> float:
        if cosine >= 1 - ROUNDING:
            return 1.0
        return max(0.0, (cosine - self.floor) / (1 - self.floor))
