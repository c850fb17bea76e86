"""Dr. GRPO: token ratio, symmetric clip, sum over tokens divided by one length for all."""

from typing import ClassVar

from medix.losses.aggregate import Aggregate, SequenceSumNorm
from medix.losses.composed import ComposedLoss
from medix.losses.importance import ImportanceCorrection
from medix.losses.ratio import TokenRatio
from medix.losses.reference_kl import ReferenceKL
from medix.losses.surrogate import ClippedSurrogate


class DrGRPOLoss(ComposedLoss):
    """Dr. GRPO (arXiv:2503.20783, section 3.2): GRPO without the bias towards long wrong completions.

    Belongs with ``DrGRPOAdvantage``. The length is the generation budget, ``sampling.max_completion_tokens``, which
    ``GroupRLModule`` gives to the aggregate. Differs: dual clip and log-ratio clamp, as in the other losses.

    Args:
        clip_low: lower distance of the ratio from 1, within (0, 1).
        clip_high: upper distance of the ratio from 1, positive.
        aggregate: how tokens become one number; None: ``SequenceSumNorm()``, the paper's choice.
        dual_clip: the largest ratio that counts where the advantage is negative, above 1; None for no such bound.
        reference_kl: divergence from the reference policy in the loss; None for none.
        importance: correction for the rollout engine's probabilities; None for none.
    """

    advantage: ClassVar[str] = "DrGRPOAdvantage"
    paper: ClassVar[str] = "arXiv:2503.20783"

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
            aggregate=aggregate or SequenceSumNorm(),
            reference_kl=reference_kl,
            importance=importance,
        )
