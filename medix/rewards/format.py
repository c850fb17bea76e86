"""Credit for a well-formed completion."""

import re

from medix.rewards.answer import without_space_around_marks
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent


class FormatReward(RewardComponent):
    """1 if the completion is the tag (none for a text-only sample), non-empty reasoning, one answer, nothing else."""

    def score(self, batch: RewardBatch) -> ComponentScores:
        """1 or 0; always scored."""
        return ComponentScores.of([float(parsed.is_well_formed) for parsed in batch.parsed])


_TURN = re.compile(r"</thinking>\s*<answer>")


class PublishedFormatReward(RewardComponent):
    """The format rule of the public MediX-R1 reward (arXiv:2602.23363, public code).

    Requires, from the first ``<thinking>`` on, one reasoning block followed by ``<answer>``, and nothing after the last
    ``</answer>``. Accepts text before it, empty reasoning and additional answers, but not ``<think>``.
    """

    def score(self, batch: RewardBatch) -> ComponentScores:
        """1 or 0; always scored."""
        return ComponentScores.of([float(_is_published_format(text)) for text in batch.completions])


def _is_published_format(completion: str) -> bool:
    _, opening, rest = without_space_around_marks(completion).strip().partition("<thinking>")
    if not opening or not rest.endswith("</answer>"):
        return False
    return _TURN.search(rest, 0, len(rest) - len("</answer>")) is not None
