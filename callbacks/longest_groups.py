"""Groups of the longest samples, as large as one forward pass of a step can get."""

from typing import Any

import torch

from medix.distributed import world_size
from medix.modules.group_rl import GroupRLModule
from medix.modules.microbatch import token_count
from medix.modules.training_group import TrainingGroup
from medix.modules.update import Update
from medix.types import Completion, FinishReason, Prompt, RolloutGroup


def longest(dataset: Any, samples: int) -> Prompt | None:
    """The longest prompt among evenly spaced samples of the data set; None if none can be rendered."""
    size = len(dataset)
    indices = sorted({size * number // samples for number in range(samples)})
    prompts = [made for made in (dataset[index] for index in indices) if isinstance(made, Prompt)]
    return max(prompts, key=lambda prompt: len(prompt.token_ids), default=None)


def training_group(module: GroupRLModule, prompt: Prompt) -> TrainingGroup:
    """A group of G completions of the maximum length, which repeat a token that is not banned."""
    sampling = module.engine.sampling
    length, banned = sampling.max_completion_tokens, set(module.policy.banned_token_ids)
    token = next(number for number in range(len(banned) + 1) if number not in banned)
    # Not FinishReason.LENGTH: the update may leave truncated completions out.
    written = Completion("", (token,) * length, (0.0,) * length, FinishReason.STOP)
    rows = sampling.completions_per_prompt
    zeros = tuple(torch.zeros(length) for _ in range(rows))
    return TrainingGroup(
        rollout=RolloutGroup(prompt, (written,) * rows, module.engine.policy_version),
        advantages=tuple(1.0 if row % 2 else -1.0 for row in range(rows)),
        old=zeros,
        reference=zeros if module.loss.needs_reference_logprobs else None,
    )


def groups_of_a_pass(module: GroupRLModule, group: TrainingGroup) -> list[TrainingGroup]:
    """As many copies of a group as a step may put into one forward pass of this rank."""
    shares = module.policy.shares_prompts
    if module.policy.sharding.gathers_weights and not shares:
        return [group]  # one group per pass, because ranks must gather weights equally often
    return filled(module.update, group, module.update.prompts_per_update // world_size(), shares)


def filled(update: Update, group: TrainingGroup, most: int, shares: bool) -> list[TrainingGroup]:
    """Copies of a group that fill a micro-batch; the last one has fewer completions if a whole one does not fit.

    Args:
        update: limits the micro-batch.
        group: the longest group.
        most: number of groups of an update on this rank.
        shares: whether a pass processes the prompt of a group once, not once per completion.
    """
    cost = token_count([group.rollout], shares)
    copies = max(1, min(most, update.tokens_per_microbatch // cost))
    room = update.tokens_per_microbatch - copies * cost
    parts = [group.rows(0, stop) for stop in range(1, len(group.rollout.completions))]
    fitting = [part for part in parts if token_count([part.rollout], shares) <= room][-1:] if copies < most else []
    return [group] * copies + fitting
