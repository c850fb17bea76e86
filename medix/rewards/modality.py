"""Credit for naming the imaging modality."""

from medix.rewards.answer import without_space_around_marks
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent


class ModalityReward(RewardComponent):
    """1 if the first non-space text is the tag of the sample's modality; does not apply to a text-only sample."""

    def score(self, batch: RewardBatch) -> ComponentScores:
        """1 or 0, or not applicable."""
        return ComponentScores.of(
            [
                None if modality is None else float(parsed.modality == modality)
                for parsed, modality in zip(batch.parsed, batch.modalities, strict=True)
            ]
        )


class PublishedModalityReward(RewardComponent):
    """The modality rule of the public MediX-R1 reward (arXiv:2602.23363, public code).

    Everything before the first ``<thinking>`` must be the tag, ignoring case; 0 without ``<thinking>``. Deviates: does
    not apply to a text-only sample, for which the public code gives 0.
    """

    def score(self, batch: RewardBatch) -> ComponentScores:
        """1 or 0, or not applicable."""
        return ComponentScores.of(
            [
                None if modality is None else float(_opens_with(text, modality))
                for text, modality in zip(batch.completions, batch.modalities, strict=True)
            ]
        )


def _opens_with(completion: str, modality: str) -> bool:
    before, opening, _ = without_space_around_marks(completion).partition("<thinking>")
    return bool(opening) and before.strip().upper() == f"<{modality}>"
