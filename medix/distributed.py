"""Sums, minima, maxima and plain data over the ranks of a run; the value itself where there is one rank."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed

T = TypeVar("T")


class OtherRankError(RuntimeError):
    """Another rank stopped with an error, so this one stops too."""


@dataclass(frozen=True)
class Failure:
    """What a rank sends in the place of its data when it cannot go on."""

    text: str


def world_size() -> int:
    """Number of ranks."""
    return distributed.get_world_size() if _is_distributed() else 1


def rank() -> int:
    """Number of this rank, from 0."""
    return distributed.get_rank() if _is_distributed() else 0


def over_ranks(values: Sequence[float | int], operation: str, device: torch.device | str = "cpu") -> list[float]:
    """Reduce numbers over all ranks; every rank must call it with as many.

    Args:
        values: this rank's numbers; float64 on the way, so counts stay exact.
        operation: ``sum``, ``min`` or ``max``.
        device: where the strategy communicates.
    """
    if not _is_distributed():
        return [float(value) for value in values]
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.all_reduce(tensor, op=getattr(distributed.ReduceOp, operation.upper()))
    return [float(value) for value in tensor.tolist()]


def gather(value: T) -> list[T]:
    """One entry per rank, in their order; every rank must call it. Where there is one rank, the value alone.

    Raises:
        OtherRankError: a rank left a ``together`` with an error.
    """
    if not _is_distributed():
        return [value]
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, value)
    failed = [(number, entry) for number, entry in enumerate(found) if isinstance(entry, Failure)]
    if failed and not isinstance(value, Failure):
        number, failure = failed[0]
        raise OtherRankError(f"rank {number} stopped, and all others with it: {failure.text}")
    return found


@contextmanager
def together() -> Iterator[None]:
    """Leave the block on every rank or on none: an error of one rank is an error of all.

    Without it, a rank that goes on would wait for one that has stopped. The ranks meet at the end of the block, or in
    a ``gather`` inside; no other communication may follow the first statement of the block that can fail.

    Raises:
        OtherRankError: an error on another rank, which raises that error itself.
    """
    try:
        yield
    except OtherRankError:
        raise
    except Exception as error:
        gather(Failure(f"{type(error).__name__}: {error}"))
        raise
    gather(None)


def _is_distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def broadcast(value: T) -> T:
    """The first rank's value, on every rank; every rank must call it, and what the others give is ignored."""
    if not _is_distributed():
        return value
    held = [value]
    distributed.broadcast_object_list(held, src=0)
    return held[0]


def all_agree(holds: bool) -> bool:
    """Whether it holds on every rank; every rank must call it."""
    return all(gather(holds))
