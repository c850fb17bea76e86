"""CISPO: a clipped weight on the log-likelihood, which keeps the gradient of every token."""

from typing import ClassVar

from medix.losses.aggregate import Aggregate, TokenMean
from medix.losses.composed import ComposedLoss
from medix.losses.importance import ImportanceCorrection
from medix.losses.ratio import TokenRatio
from medix.losses.reference_kl import ReferenceKL
from medix.losses.surrogate import WeightedLikelihood


class CISPOLoss(ComposedLoss):
    """CISPO, MiniMax-M1 (arXiv:2506.13585, Eq. 4 and 5): REINFORCE with a clipped importance weight, mean over tokens.

    As in the paper's experiments, the weight is bounded from above only, and there is neither dual clip nor KL term.
    Belongs with ``GRPOAdvantage``. Differs: the paper does not state its upper bound; 0.28 is that of DAPO. Log-ratios
    are clamped to ±20.

    Args:
        clip_low: lower distance of the weight from 1, within (0, 1); None for no lower bound, the paper's choice.
        clip_high: upper distance of the weight from 1, positive.
        aggregate: how tokens become one number; None: ``TokenMean``, the paper's choice.
        reference_kl: divergence from the reference policy in the loss; None for none.
        importance: correction for the rollout engine's probabilities; None for none.
    """

    advantage: ClassVar[str] = "GRPOAdvantage"
    paper: ClassVar[str] = "arXiv:2506.13585"

    def __init__(
        self,
        clip_low: float | None = None,
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
