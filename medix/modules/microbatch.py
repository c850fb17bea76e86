"""Micro-batches: which completions share a forward pass, and the log-probabilities of each pass."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from jaxtyping import Float
from torch import Tensor

from medix.types import RolloutGroup

T = TypeVar("T")

Logprobs = Callable[[Sequence[RolloutGroup], float], Tensor]
"""``Policy.logprobs`` or ``Policy.reference_logprobs``."""

LogprobsInChunks = Callable[[Sequence[RolloutGroup], float], Iterator[Tensor]]
"""``Policy.logprobs_in_chunks`` or ``Policy.reference_logprobs_in_chunks``."""


@dataclass(frozen=True)
class Chunk:
    """Completions ``start`` to ``stop`` of the group with index ``group``; often all of them."""

    group: int
    start: int
    stop: int


def plan(groups: Sequence[RolloutGroup], limit: int, shares_prompts: bool) -> list[list[Chunk]]:
    """Assign completions to micro-batches of at most ``limit`` tokens, in order.

    Each chunk of a group that exceeds the limit is a micro-batch of its own, and so is a single completion that exceeds
    it. Groups without completions are skipped.

    Args:
        groups: those of one update, or of one pass without gradient.
        limit: prompt and completion tokens of one micro-batch.
        shares_prompts: whether a pass processes the prompt of a group once, not once per completion.
    """
    batches: list[list[Chunk]] = []
    room = 0
    for index, group in enumerate(groups):
        if not group.completions:
            continue  # every completion was unscored or truncated, and the group filter kept the group
        chunks = list(_chunks(index, group, limit, shares_prompts))
        cost = token_count([group], shares_prompts)
        if len(chunks) > 1 or cost > room or not batches:
            batches += [[chunk] for chunk in chunks]
            room = 0 if len(chunks) > 1 else limit - cost
        else:
            batches[-1] += chunks
            room -= cost
    return batches


def _chunks(index: int, group: RolloutGroup, limit: int, shares_prompts: bool) -> Iterator[Chunk]:
    prompt, lengths = len(group.prompt.token_ids), [len(completion.token_ids) for completion in group.completions]
    start = 0
    for stop in range(1, len(lengths) + 1):
        is_last = stop == len(lengths)
        if is_last or _cost(prompt, lengths[start : stop + 1], shares_prompts) > limit:
            yield Chunk(index, start, stop)
            start = stop


def token_count(groups: Sequence[RolloutGroup], shares_prompts: bool) -> int:
    """Tokens that a pass over the groups processes, which is what ``tokens_per_microbatch`` limits."""
    return sum(
        _cost(len(group.prompt.token_ids), [len(one.token_ids) for one in group.completions], shares_prompts)
        for group in groups
    )


def _cost(prompt: int, lengths: Sequence[int], shares_prompts: bool) -> int:
    return prompt * (1 if shares_prompts else len(lengths)) + sum(lengths)


def microbatch_logprobs(
    batches: Sequence[Sequence[RolloutGroup]],
    logprobs: Logprobs,
    in_chunks: LogprobsInChunks,
    temperature: float,
) -> Iterator[Float[Tensor, "row time"]]:
    """Log-probabilities of each micro-batch, in order.

    Consecutive micro-batches that are chunks of one group go through ``in_chunks``, which may process the prompt once.
    With gradients enabled, run the backward pass of each micro-batch before asking for the next.
    """
    for _, same_prompt in itertools.groupby(batches, key=_chunk_key):
        chunked = list(same_prompt)
        if len(chunked) > 1:
            yield from in_chunks([chunk for (chunk,) in chunked], temperature)
        else:
            yield logprobs(chunked[0], temperature)


def gathering_once(batches: Sequence[list[T]], shares_prompts: bool) -> list[list[T]]:
    """Micro-batches of which each gathers the weights from all ranks once, so that ranks can make equally many.

    Args:
        batches: micro-batches of groups, or of parts of groups.
        shares_prompts: whether all groups of a micro-batch pass the model together, and not one after the other.
    """
    return [*batches] if shares_prompts else [[group] for batch in batches for group in batch]


def _chunk_key(batch: Sequence[RolloutGroup]) -> int:
    """Equal for micro-batches that are chunks of the same group, different for all others."""
    return id(batch[0].prompt) if len(batch) == 1 else id(batch)
