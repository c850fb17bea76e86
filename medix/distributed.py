"""Collective operations over the ranks of a run; without ``torch.distributed`` there is one rank."""

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
    """Sent to the other ranks instead of data by a rank that has raised an error."""

    text: str


def world_size() -> int:
    """Number of ranks."""
    return distributed.get_world_size() if _is_distributed() else 1


def rank() -> int:
    """Index of this rank, from 0."""
    return distributed.get_rank() if _is_distributed() else 0


def all_reduce(values: Sequence[float | int], operation: str, device: torch.device | str = "cpu") -> list[float]:
    """Reduce numbers elementwise over all ranks. Every rank must call it, with the same number of values.

    Args:
        values: this rank's numbers; sent as float64, so that counts stay exact.
        operation: ``sum``, ``min`` or ``max``.
        device: device of the process group's backend.
    """
    if not _is_distributed():
        return [float(value) for value in values]
    tensor = torch.tensor(values, dtype=torch.float64, device=device)
    distributed.all_reduce(tensor, op=getattr(distributed.ReduceOp, operation.upper()))
    return [float(value) for value in tensor.tolist()]


def gather(value: T) -> list[T]:
    """Collect one object from every rank, in rank order, on every rank. Every rank must call it.

    Raises:
        OtherRankError: another rank left a ``fail_together`` block with an error.
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


def gather_to_first(value: T) -> list[T] | None:
    """Collect one object from every rank, in rank order, on rank 0; None on the others. Every rank must call it."""
    if not _is_distributed():
        return [value]
    found: list[Any] | None = [None] * distributed.get_world_size() if distributed.get_rank() == 0 else None
    distributed.gather_object(value, found, dst=0)
    return found


@contextmanager
def fail_together() -> Iterator[None]:
    """Make an error on one rank an error on all ranks, so that none waits for a rank that has stopped.

    The ranks synchronise at the end of the block, or in a ``gather`` inside it. After the first statement of the block
    that can raise, ``gather`` is the only collective operation allowed.

    Raises:
        OtherRankError: another rank raised an error; that rank raises the original one.
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
