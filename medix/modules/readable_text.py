"""What a run can read: tags through the policy's tokenizer, references through the encoders of the rewards."""

import logging
from typing import Any

from medix.data.datamodule import ShardDataModule
from medix.data.first_samples import first_samples
from medix.data.shards import ShardError
from medix.modality import ModalitySet
from medix.policy.base import Policy
from medix.rewards.suite import RewardSuite
from medix.rewards.unread_references import REMEDY, unread_references
from medix.special_tokens import CompletionDecoder

SAMPLES = 1024
"""Training samples whose references are checked, the first in the order of training."""
_SECONDS = 5.0
_LOG = logging.getLogger(__name__)


def check_tags(policy: Policy, modalities: ModalitySet) -> None:
    """Refuse a policy whose tokenizer loses tags of the grammar: no completion could earn a reward.

    Raises:
        ValueError: names the tags.
    """
    decoder = getattr(policy, "text_of", None)
    lost = decoder.lost_tags(modalities) if isinstance(decoder, CompletionDecoder) else []
    if lost:
        raise ValueError(
            f"policy.name: the tokenizer loses {', '.join(lost)} when it encodes and decodes them, so that no "
            "completion with them could earn a reward; give a policy whose tokenizer knows these characters, or other "
            "modalities"
        )


def tell_unread_references(rewards: RewardSuite, datamodule: Any) -> None:
    """Log which share of the training references the encoders of the rewards cannot read; silent if they read all.

    Args:
        rewards: the reward suite.
        datamodule: data of the run; another class than ``ShardDataModule`` is not checked.
    """
    if not isinstance(datamodule, ShardDataModule):
        return
    try:
        samples = first_samples(datamodule.stream("train"), SAMPLES, _SECONDS)
    except ShardError:
        return  # the loader raises it where training reaches the shard
    for found in unread_references(rewards, samples) if samples else ():
        if found.failure:
            _LOG.warning("%s", found.told)
        elif found.count:
            _LOG.warning("%s; %s", found.told, REMEDY)
