"""What the loss receives for one micro-batch."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medix.distributed import all_reduce
from medix.losses.base import LossInput
from medix.losses.importance import ImportanceCorrection
from medix.modules.training_group import TrainingGroup
from medix.numerics.masking import masked_sum
from medix.types import Completion


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
    """Collate a micro-batch, padded to the width of ``policy_logprobs``.

    Groups without old log-probabilities get those of this pass, without gradient.
    """
    device, width = policy_logprobs.device, policy_logprobs.shape[1]
    completions = [c for group in batch for c in group.rollout.completions]
    lengths = torch.tensor([len(c.token_ids) for c in completions], device=device)
    references = [group.reference for group in batch if group.reference is not None]
    undropped = [group.undropped for group in batch if group.undropped is not None]
    own = iter(policy_logprobs.detach())
    old = [row for group in batch for row in _old_rows(group, [next(own) for _ in group.rollout.completions])]
    return LossInput(
        policy_logprobs=policy_logprobs,
        old_logprobs=pad(old, width, device, policy_logprobs.dtype),
        advantages=torch.tensor([a for group in batch for a in group.advantages], dtype=torch.float32, device=device),
        completion_mask=torch.arange(width, device=device) < lengths[:, None],
        token_count=counts.tokens,
        sequence_count=counts.sequences,
        longest=int(counts.longest),
        reference_logprobs=pad([row for rows in references for row in rows], width, device) if references else None,
        rollout_logprobs=pad([_reported(completion) for completion in completions], width, device),
        undropped_logprobs=pad([row for rows in undropped for row in rows], width, device) if undropped else None,
    )


def weigh_stale(
    batch: Sequence[TrainingGroup], given: LossInput, correction: ImportanceCorrection
) -> tuple[LossInput, dict[str, Tensor]]:
    """Weight the completions that older weights sampled by how likely the weights before the step were to do so.

    The weight of a token is π_old / μ within the bounds of the correction, with μ as the engine recorded it. All other
    tokens have a weight of 1, whatever the engine recorded.

    Args:
        batch: the groups of the micro-batch.
        given: their loss input.
        correction: bounds the weights.

    Returns:
        The input with its ``weights``, None if no group is stale; and as shares of the tokens of the update,
        ``importance_weight``, the sum of their weights, and ``importance_bounded``, those whose weight a bound changed.
    """
    weight, bounded = torch.ones_like(given.old_logprobs), torch.zeros_like(given.completion_mask)
    rows = stale_rows(batch, weight.device)[:, None]
    if rows.any():
        assert given.rollout_logprobs is not None
        behaviour = torch.where(rows, given.rollout_logprobs, given.sampling_logprobs)
        found = correction(replace(given, rollout_logprobs=behaviour).cleaned())
        weight, bounded = found.value, found.bounded
        given = replace(given, weights=weight)
    return given, {
        "importance_weight": masked_sum(weight, given.completion_mask) / given.token_count,
        "importance_bounded": masked_sum(bounded.to(weight.dtype), given.completion_mask) / given.token_count,
    }


def stale_rows(batch: Sequence[TrainingGroup], device: torch.device) -> Bool[Tensor, " row"]:
    """True for completions that older weights sampled."""
    return torch.tensor([group.is_stale for group in batch for _ in group.rollout.completions], device=device)


def _old_rows(group: TrainingGroup, own: Sequence[Tensor]) -> Sequence[Tensor]:
    return own if group.old is None else group.old


def _reported(completion: Completion) -> Tensor:
    """The engine's log-probabilities, NaN if it reported none."""
    if len(completion.logprobs) != len(completion.token_ids):
        return torch.full((len(completion.token_ids),), math.nan)
    return torch.tensor(completion.logprobs, dtype=torch.float32)


def pad(
    rows: Sequence[Tensor], width: int, device: torch.device, dtype: torch.dtype = torch.float32
) -> Float[Tensor, "row time"]:
    """Rows of different length, right-padded with 0 to the width."""
    padded = torch.zeros(len(rows), width, dtype=dtype, device=device)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row.to(device)
    return padded
