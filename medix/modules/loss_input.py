"""What the loss receives for one micro-batch."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from medix.distributed import all_reduce
from medix.losses.base import LossInput
from medix.modules.training_group import TrainingGroup


@dataclass(frozen=True)
class Denominators:
    """Counts over all micro-batches and all ranks of one update."""

    tokens: float
    sequences: float
    longest: float


def count(groups: Sequence[TrainingGroup], device: torch.device) -> Denominators:
    """Count tokens and completions of one update over all ranks, and find its longest completion."""
    lengths = [len(c.token_ids) for group in groups for c in group.rollout.completions]
    tokens, sequences = all_reduce([sum(lengths), len(lengths)], "sum", device)
    return Denominators(tokens, sequences, all_reduce([max(lengths, default=0)], "max", device)[0])


def loss_input(
    batch: Sequence[TrainingGroup], policy_logprobs: Float[Tensor, "row time"], counts: Denominators
) -> LossInput:
    """Collate a micro-batch, padded to the width of ``policy_logprobs``."""
    device, width = policy_logprobs.device, policy_logprobs.shape[1]
    completions = [c for group in batch for c in group.rollout.completions]
    lengths = torch.tensor([len(c.token_ids) for c in completions], device=device)
    references = [group.reference for group in batch if group.reference is not None]
    return LossInput(
        policy_logprobs=policy_logprobs,
        old_logprobs=pad([row for group in batch for row in group.old], width, device),
        advantages=torch.tensor([a for group in batch for a in group.advantages], dtype=torch.float32, device=device),
        completion_mask=torch.arange(width, device=device) < lengths[:, None],
        token_count=counts.tokens,
        sequence_count=counts.sequences,
        longest=int(counts.longest),
        reference_logprobs=pad([row for rows in references for row in rows], width, device) if references else None,
        rollout_logprobs=pad([torch.tensor(c.logprobs, dtype=torch.float32) for c in completions], width, device),
    )


def pad(rows: Sequence[Tensor], width: int, device: torch.device) -> Float[Tensor, "row time"]:
    """Rows of different length, right-padded with 0 to the width."""
    padded = torch.zeros(len(rows), width, dtype=torch.float32, device=device)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row.to(device)
    return padded
