"""Forward passes over micro-batches: several groups in one, or the parts of one group behind a prompt passed once."""

import itertools
from collections.abc import Callable, Iterator, Sequence

from jaxtyping import Float
from torch import Tensor

from medix.types import RolloutGroup

Logprobs = Callable[[Sequence[RolloutGroup], float], Tensor]
"""``Policy.logprobs`` or ``Policy.reference_logprobs``."""

LogprobsInChunks = Callable[[Sequence[RolloutGroup], float], Iterator[Tensor]]
"""``Policy.logprobs_in_chunks`` or ``Policy.reference_logprobs_in_chunks``."""


def tables(
    batches: Sequence[Sequence[RolloutGroup]],
    logprobs: Logprobs,
    logprobs_in_chunks: LogprobsInChunks,
    temperature: float,
) -> Iterator[Float[Tensor, "row time"]]:
    """Log-probabilities of each micro-batch, in order; one that is a part of a group stands alone.

    Where gradients are enabled, the backward pass of each must run before the next is asked for.
    """
    for _, alike in itertools.groupby(batches, key=_prompt_of_part):
        together = list(alike)
        if len(together) > 1:
            yield from logprobs_in_chunks([part for (part,) in together], temperature)
        else:
            yield logprobs(together[0], temperature)


def _prompt_of_part(batch: Sequence[RolloutGroup]) -> int:
    """Equal for micro-batches that are parts of one group, different for all others."""
    return id(batch[0].prompt) if len(batch) == 1 else id(batch)
