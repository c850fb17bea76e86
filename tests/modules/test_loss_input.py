"""Collating a micro-batch for the loss."""

import torch

from medix.modules.loss_input import count, loss_input, pad
from tests.modules.test_update import GROUPS
from tests.support.policies import BigramPolicy


def test_counts_are_tokens_sequences_and_the_longest() -> None:
    """Lengths 4, 2, 3 and 1, 5, 2: 17 tokens, 6 sequences, longest 5."""
    counts = count(GROUPS, torch.device("cpu"))
    assert (counts.tokens, counts.sequences, counts.longest) == (17, 6, 5)


def test_loss_input_masks_what_stands_behind_a_completion() -> None:
    counts = count(GROUPS, torch.device("cpu"))
    made = loss_input(GROUPS, BigramPolicy().logprobs([g.rollout for g in GROUPS]), counts)
    assert made.completion_mask.sum(dim=1).tolist() == [4, 2, 3, 1, 5, 2]
    assert made.longest == 5
    assert made.reference_logprobs is None


def test_pad_fills_with_zero() -> None:
    assert pad([torch.ones(1), torch.ones(3)], 3, torch.device("cpu")).tolist() == [[1, 0, 0], [1, 1, 1]]
