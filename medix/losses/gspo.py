"""GSPO: one ratio per completion."""

from typing import ClassVar

from medix.losses.aggregate import Aggregate, SequenceMean
from medix.losses.composed import ComposedLoss
from medix.losses.importance import ImportanceCorrection
from medix.losses.ratio import SequenceRatio, SequenceTokenRatio
from medix.losses.reference_kl import ReferenceKL
from medix.losses.surrogate import ClippedSurrogate


class GSPOLoss(ComposedLoss):
    """GSPO (arXiv:2507.18071, Eq. 5 to 7): the ratio of a completion is the geometric mean of those of its tokens.

    Sequence ratios stay far closer to 1 than token ratios, hence the narrow clip. Belongs with ``GRPOAdvantage``.
    Differs: dual clip and log-ratio clamp, as in the public code of MediX-R1. Dropout moves the ratio in the second and
    later updates of a step by more than the narrow clip: train without it, or with one update per step.

    Args:
        clip_low: lower distance of the ratio from 1, within (0, 1).
        clip_high: upper distance of the ratio from 1, positive.
        aggregate: how tokens become one number; None: ``SequenceMean``, the paper's choice.
        dual_clip: the largest ratio that counts where the advantage is negative, above 1; None for no such bound.
        reference_kl: divergence from the reference policy in the loss; None for none.
        importance: correction for the rollout engine's probabilities; None for none.
    """

    advantage: ClassVar[str] = "GRPOAdvantage"
    paper: ClassVar[str] = "arXiv:2507.18071"

    def __init__(
        self,
        clip_low: float = 3e-4,
        clip_high: int | float = 4e-4,
        aggregate: Aggregate | None = None,
        dual_clip: int | float | None = 3.0,
        reference_kl: ReferenceKL | None = None,
        importance: ImportanceCorrection | None = None,
    ) -> None:
        super().__init__(
            ratio=SequenceRatio(),
            surrogate=ClippedSurrogate(clip_low, clip_high, dual_clip),
            aggregate=aggregate or SequenceMean(),
            reference_kl=reference_kl,
            importance=importance,
        )


class GSPOTokenLoss(ComposedLoss):
    """GSPO-token (arXiv:2507.18071, Eq. 13 and 14): the sequence ratio in value, each token's own in gradient.

    What the public code of MediX-R1 trains as GSPO. With one advantage per completion, as here, and no importance
    correction it has the loss and the gradient of ``GSPOLoss`` under every aggregate; with an importance correction
    each token's gradient carries its own weight, where ``GSPOLoss`` spreads their mean over the completion.
    Belongs with ``GRPOAdvantage``. Differs: dual clip and log-ratio clamp.

    Args:
        clip_low: lower distance of the ratio from 1, within (0, 1).
        clip_high: upper distance of the ratio from 1, positive.
        aggregate: how tokens become one number; None: ``SequenceMean``, the paper's choice.
        dual_clip: the largest ratio that counts where the advantage is negative, above 1; None for no such bound.
        reference_kl: divergence from the reference policy in the loss; None for none.
        importance: correction for the rollout engine's probabilities; None for none.
    """

    advantage: ClassVar[str] = "GRPOAdvantage"
    paper: ClassVar[str] = "arXiv:2507.18071"

    def __init__(
        self,
        clip_low: float = 3e-4,
        clip_high: int | float = 4e-4,
        aggregate: Aggregate | None = None,
        dual_clip: int | float | None = 3.0,
        reference_kl: ReferenceKL | None = None,
        importance: ImportanceCorrection | None = None,
    ) -> None:
        super().__init__(
            ratio=SequenceTokenRatio(),
            surrogate=ClippedSurrogate(clip_low, clip_high, dual_clip),
            aggregate=aggregate or SequenceMean(),
            reference_kl=reference_kl,
            importance=importance,
        )
