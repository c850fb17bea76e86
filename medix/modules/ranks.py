"""Sums, minima and maxima over the ranks of a run; the value itself where there is one rank."""

from collections.abc import Sequence

import torch
from torch import distributed


def world_size() -> int:
    """Number of ranks."""
    return distributed.get_world_size() if _is_distributed() else 1


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


def _is_distributed() -> bool:
    return distributed.is_available() and distributed.is_initialized()
