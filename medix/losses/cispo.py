"""CISPO: a clipped weight on the log-likelihood, which keeps the gradient of every token."""

from medix.losses.aggregate import Aggregate, TokenMean
from medix.losses.composed import ComposedLoss
from medix.losses.importance import ImportanceCorrection
from medix.losses.ratio import TokenRatio
from medix.losses.reference_kl import ReferenceKL
from medix.losses.surrogate import WeightedLikelihood


class CISPOLoss(ComposedLoss):
    """CISPO, MiniMax-M1 (arXiv:2506.13585, Eq. 4 and 5): REINFORCE with a clipped importance weight, mean over tokens.

    Differs: the paper bounds the weight from above only; here it is bounded on both sides, and a ``clip_low`` near 1
    comes to the same. There is no dual clip: the weight is bounded already.

    Args:
        clip_low: lower distance of the ratio from 1, within (0, 1).
        clip_high: upper distance of the ratio from 1, positive.
        aggregate: how tokens become one number; None: ``TokenMean``, the paper's choice.
        reference_kl: divergence from the reference policy in the loss; None for none.
        importance: correction for the rollout engine's probabilities; None for none.
    """

    def __init__(
        self,
        clip_low: float = 0.2,
        clip_high: int | float = 0.28,
        aggregate: Aggregate | None = None,
        reference_kl: ReferenceKL | None = None,
        importance: ImportanceCorrection | None = None,
    ) -> None:
        super().__init__(
            ratio=TokenRatio(),
            surrogate=WeightedLikelihood(clip_low, clip_high),
            aggregate=aggregate or TokenMean(),
            reference_kl=reference_kl,
            importance=importance,
        )
