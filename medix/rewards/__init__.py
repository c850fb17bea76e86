"""Rewards as torchmetrics objects: a value and a status per completion, running means per modality."""

from medix.rewards.abstention import AbstentionAnswer
from medix.rewards.answer import AnswerRule, PublishedAnswer, StrictAnswer
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent, Unscored
from medix.rewards.consistency import ModalityConsistencyReward
from medix.rewards.embedding import EmbeddingReward
from medix.rewards.encoder import Encoder, SentenceEncoder
from medix.rewards.format import FormatReward, PublishedFormatReward
from medix.rewards.held import Held
from medix.rewards.judged import JudgeReward
from medix.rewards.length import SoftOverlongPenalty
from medix.rewards.means import RunningMeans
from medix.rewards.modality import ModalityReward, PublishedModalityReward
from medix.rewards.normalisation import GroupNormalisation, Normalisation
from medix.rewards.rubric import RubricReward
from medix.rewards.scoring import Scoring, UnscoredLimitError
from medix.rewards.similarity import SimilarityReward
from medix.rewards.suite import RewardSuite
from medix.rewards.table import RewardTable
from medix.rewards.weighted import Gate, Weighted

__all__ = [
    "AbstentionAnswer",
    "AnswerRule",
    "ComponentScores",
    "EmbeddingReward",
    "Encoder",
    "FormatReward",
    "Gate",
    "GroupNormalisation",
    "Held",
    "JudgeReward",
    "ModalityConsistencyReward",
    "ModalityReward",
    "Normalisation",
    "PublishedAnswer",
    "PublishedFormatReward",
    "PublishedModalityReward",
    "RewardBatch",
    "RewardComponent",
    "RewardSuite",
    "RewardTable",
    "RubricReward",
    "RunningMeans",
    "Scoring",
    "SentenceEncoder",
    "SimilarityReward",
    "SoftOverlongPenalty",
    "StrictAnswer",
    "Unscored",
    "UnscoredLimitError",
    "Weighted",
]
