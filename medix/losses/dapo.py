"""DAPO: token ratio, a wider upper clip, mean over tokens."""

from typing import ClassVar

from medix.losses.aggregate import Aggregate, TokenMean
from medix.losses.composed import ComposedLoss
from medix.losses.importance import ImportanceCorrection
from medix.losses.ratio import TokenRatio
from medix.losses.reference_kl import ReferenceKL
from medix.losses.surrogate import ClippedSurrogate


class DAPOLoss(ComposedLoss):
    """DAPO (arXiv:2503.14476, Eq. 8 to 12): token ratio, clip-higher, mean over all tokens of the batch.

    The wider upper bound leaves room for unlikely tokens that turn out well. Dynamic sampling and the overlong penalty
    of the paper are not part of the loss: ``SpreadFilter`` and ``SoftOverlongPenalty``. Belongs with ``GRPOAdvantage``
    (Eq. 9). Differs: dual clip and log-ratio clamp, as in the public code of MediX-R1.

    Args:
        clip_low: lower distance of the ratio from 1, within (0, 1).
        clip_high: upper distance of the ratio from 1, positive.
        aggregate: how tokens become one number; None: ``TokenMean``, the paper's choice.
        dual_clip: the largest ratio that counts where the advantage is negative, above 1; None for no such bound.
        reference_kl: divergence from the reference policy in the loss; None for none.
        importance: correction for the rollout engine's probabilities; None for none.
    """

    advantage: ClassVar[str] = "GRPOAdvantage"
    paper: ClassVar[str] = "arXiv:2503.14476"

    def __init__(
        self,
        clip_low: float = 0.2,
        clip_high: int | float = 0.28,
        aggregate: Aggregate | None = None,
        dual_clip: int | float | None = 3.0,
        reference_kl: ReferenceKL | None = None,
        importance: ImportanceCorrection | None = None,
    ) -> None:
        super().__init__(
            ratio=TokenRatio(),
            surrogate=ClippedSurrogate(clip_low, clip_high, dual_clip),
            aggregate=aggregate or TokenMean(),
            reference_kl=reference_kl,
            importance=importance,
        )
