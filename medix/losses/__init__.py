"""Losses of group-based reinforcement learning: ratio × surrogate × aggregate."""

from medix.losses.aggregate import Aggregate, SequenceMean, SequenceSum, SequenceSumNorm, TokenMean
from medix.losses.base import GroupLoss, LossInput, LossOutput
from medix.losses.cispo import CISPOLoss
from medix.losses.coefficient import AdaptiveCoefficient, Coefficient, FixedCoefficient
from medix.losses.composed import ComposedLoss
from medix.losses.dapo import DAPOLoss
from medix.losses.dr_grpo import DrGRPOLoss
from medix.losses.grpo import GRPOLoss
from medix.losses.gspo import GSPOLoss, GSPOTokenLoss
from medix.losses.importance import (
    ImportanceCorrection,
    MaskedImportance,
    SequenceMaskedImportance,
    TruncatedImportance,
)
from medix.losses.ratio import Ratio, SequenceRatio, SequenceTokenRatio, TokenRatio
from medix.losses.reference_kl import ReferenceKL
from medix.losses.reward_kl import RewardKL
from medix.losses.surrogate import ClippedSurrogate, Surrogate, WeightedLikelihood

__all__ = [
    "AdaptiveCoefficient",
    "Aggregate",
    "CISPOLoss",
    "ClippedSurrogate",
    "Coefficient",
    "ComposedLoss",
    "DAPOLoss",
    "DrGRPOLoss",
    "FixedCoefficient",
    "GRPOLoss",
    "GSPOLoss",
    "GSPOTokenLoss",
    "GroupLoss",
    "ImportanceCorrection",
    "LossInput",
    "LossOutput",
    "MaskedImportance",
    "Ratio",
    "ReferenceKL",
    "RewardKL",
    "SequenceMaskedImportance",
    "SequenceMean",
    "SequenceRatio",
    "SequenceSum",
    "SequenceSumNorm",
    "SequenceTokenRatio",
    "Surrogate",
    "TokenMean",
    "TokenRatio",
    "TruncatedImportance",
    "WeightedLikelihood",
]
