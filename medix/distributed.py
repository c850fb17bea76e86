"""Collective operations over the ranks of a run; without ``torch.distributed`` there is one rank."""

import hashlib
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed

from medix import stop_signal
from medix.stop_signal import StopRequested

T = TypeVar("T")

_TOLD = "medix_told_to_all_ranks"
_LONGEST = 10_000
"""Characters of an error that the other ranks are told."""
_said_here: set[str] = set()


class OtherRankError(RuntimeError):
    """Another rank stopped with an error, so this one stops too."""


class OtherRankStopped(StopRequested):
    """A signal made another rank abandon its work, so this one does too."""


@dataclass(frozen=True)
class Failure:
    """Sent to the other ranks instead of data by a rank that has raised an error."""

    text: str


@dataclass(frozen=True)
class Stop:
    """Sent to the other ranks instead of data by a rank that a signal made abandon its work."""

    number: int


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
    with stop_signal.shielded():
        distributed.all_reduce(tensor, op=getattr(distributed.ReduceOp, operation.upper()))
    return [float(value) for value in tensor.tolist()]


def gather(value: T) -> list[T]:
    """Collect one object from every rank, in rank order, on every rank. Every rank must call it.

    Raises:
        OtherRankError: another rank left a ``fail_together`` block with an error.
        OtherRankStopped: another rank left it because of a signal.
    """
    if not _is_distributed():
        return [value]
    found: list[Any] = [None] * distributed.get_world_size()
    with stop_signal.shielded():  # what others send decides before a signal of this rank does
        distributed.all_gather_object(found, value)
        if not isinstance(value, Failure):
            _end_with_others(found, isinstance(value, Stop))
    return found


def _end_with_others(found: Sequence[Any], is_stopping: bool) -> None:
    for number, entry in enumerate(found):
        if isinstance(entry, Failure):
            raise OtherRankError(f"rank {number} stopped, and all others with it: {entry.text}")
    for entry in () if is_stopping else found:
        if isinstance(entry, Stop):
            stop_signal.agree(entry.number)
            raise OtherRankStopped


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

    The same for a signal: where one rank abandons its work, all do.

    The ranks synchronise at the end of the block, or in a ``gather`` inside it. After the first statement of the block
    that can raise, ``gather`` is the only collective operation allowed: none of torch, Lightning, or a policy whose
    ranks gather weights from each other. Outside of such blocks an error ends its rank alone, and the others by their
    broken connections (``medix.first_failure``).

    Raises:
        OtherRankError: another rank raised an error; that rank raises the original one.
        StopRequested: this rank or another abandoned its work because of a signal.
    """
    try:
        yield
    except (OtherRankError, OtherRankStopped):
        raise
    except StopRequested:
        gather(Stop(stop_signal.requested() or 0))
        stop_signal.agree()
        raise
    except Exception as error:
        gather(Failure(described(error)))
        error.__dict__[_TOLD] = True
        raise
    gather(None)


def described(error: BaseException) -> str:
    """Class and text of an error, as other ranks are told: encodable, as names of files may not be, and not endless."""
    try:
        text = str(error)
    except Exception as other:  # noqa: BLE001  # of its own class, whatever it does
        text = f"(its text cannot be read: {type(other).__name__})"
    text = text or f"(it says nothing; {place(error)})"
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} … (and {len(text) - _LONGEST} characters more, which its own rank tells)"
    return f"{type(error).__name__}: {text.encode(errors='backslashreplace').decode()}"


def place(error: BaseException) -> str:
    """Where an error was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"raised in {frames[-1].name}, {frames[-1].filename}:{frames[-1].lineno}" if frames else "raised nowhere"


def is_told(error: BaseException) -> bool:
    """Whether a ``fail_together`` block has sent this error, or its cause, to the other ranks, or received it."""
    if isinstance(error, OtherRankError) or _TOLD in error.__dict__:
        return True
    return error.__cause__ is not None and is_told(error.__cause__)


def _is_distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def broadcast(value: T) -> T:
    """The first rank's value, on every rank; every rank must call it, and what the others give is ignored."""
    if not _is_distributed():
        return value
    held = [value]
    with stop_signal.shielded():
        distributed.broadcast_object_list(held, src=0)
    return held[0]


def all_agree(holds: bool) -> bool:
    """Whether it holds on every rank; every rank must call it."""
    return all(gather(holds))


def stop_together(device: torch.device | str = "cpu") -> bool:
    """Whether a signal has asked any rank to end its run, which all of them then know; every rank must call it.

    Args:
        device: device of the process group's backend.
    """
    (number,) = all_reduce([stop_signal.requested() or 0], "max", device)
    if number:
        stop_signal.agree(int(number))
    return bool(number)


def is_first_to_say(text: str) -> bool:
    """Whether this rank is the one to say this: no other has said it. Any rank may ask, at any time.

    Args:
        text: what is said, or what it is about.
    """
    if not _is_distributed():
        return True
    key = f"medix/said {hashlib.sha256(text.encode(errors='replace')).hexdigest()}"
    try:
        if key not in _said_here and distributed.distributed_c10d._get_default_store().add(key, 1) == 1:
            _said_here.add(key)
    except RuntimeError:  # the rank that held the store has gone
        return True
    return key in _said_here
