"""GRPO: token ratio, symmetric clip, mean over completions of the mean over their tokens."""

from typing import ClassVar

from medix.losses.aggregate import Aggregate, SequenceMean
from medix.losses.composed import ComposedLoss
from medix.losses.importance import ImportanceCorrection
from medix.losses.ratio import TokenRatio
from medix.losses.reference_kl import ReferenceKL
from medix.losses.surrogate import ClippedSurrogate


class GRPOLoss(ComposedLoss):
    """GRPO (DeepSeekMath, arXiv:2402.03300, Eq. 3): token ratio, one clip distance, each completion weighs the same.

    Belongs with ``GRPOAdvantage``. Differs: the KL term of the paper is off until ``reference_kl`` asks for it (the
    paper: k3 with 0.04); dual clip and log-ratio clamp, as in the public code of MediX-R1, whose "GRPO" also averages
    over tokens and clips at 0.2 / 0.3.

    Args:
        clip_low: lower distance of the ratio from 1, within (0, 1).
        clip_high: upper distance of the ratio from 1, positive.
        aggregate: how tokens become one number; None: ``SequenceMean``, the paper's choice.
        dual_clip: the largest ratio that counts where the advantage is negative, above 1; None for no such bound.
        reference_kl: divergence from the reference policy in the loss; None for none.
        importance: correction for the rollout engine's probabilities; None for none.
    """

    advantage: ClassVar[str] = "GRPOAdvantage"
    paper: ClassVar[str] = "arXiv:2402.03300"

    def __init__(
        self,
        clip_low: float = 0.2,
        clip_high: int | float = 0.2,
        aggregate: Aggregate | None = None,
        dual_clip: int | float | None = 3.0,
        reference_kl: ReferenceKL | None = None,
        importance: ImportanceCorrection | None = None,
    ) -> None:
        super().__init__(
            ratio=TokenRatio(),
            surrogate=ClippedSurrogate(clip_low, clip_high, dual_clip),
            aggregate=aggregate or SequenceMean(),
            reference_kl=reference_kl,
            importance=importance,
        )
