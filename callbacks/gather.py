"""Plain data of every rank on every rank."""

from typing import Any, TypeVar

from torch import distributed

T = TypeVar("T")


def gather(value: T) -> list[T]:
    """One entry per rank, in their order; every rank must call it. Where there is one rank, the value alone."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return [value]
    found: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(found, value)
    return found
