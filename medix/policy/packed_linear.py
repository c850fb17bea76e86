"""Weights of linear layers in the order in which a CPU reads them, while tokens are sampled.

A product of a few rows with a matrix is bound by reading the matrix. oneDNN reads a matrix that it may lay out itself
two to three times as fast as the ordinary product of PyTorch does (BENCHMARKS.md). The layout is a second copy of the
weights, made again for every rollout, since they change in between.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

ROOM = 2**31
"""Bytes of weights that may exist twice; the layers above it stay as they are."""
_ROWS = 16  # the layout is chosen for about so many; others are served as well


@contextmanager
def packed(model: nn.Module) -> Iterator[None]:
    """Inside, every plain linear layer in float32 on a CPU multiplies with a copy of its weights laid out for it.

    Values differ by rounding only. There is no gradient, and weights must not change inside.
    """
    changed: list[nn.Module] = []
    # under autocast the rows come in another dtype than the weights, which this product does not take
    room = ROOM if _is_served() and not torch.is_autocast_enabled("cpu") else 0
    try:
        for layer in model.modules():
            if type(layer) is nn.Linear and _can_pack(layer.weight) and layer.weight.nbytes <= room:
                room -= layer.weight.nbytes
                layer.forward = partial(_multiply, _reordered(layer.weight.detach()), layer.bias)  # type: ignore[method-assign]
                changed.append(layer)
        yield
    finally:
        for layer in changed:
            del layer.forward


def _can_pack(weight: Tensor) -> bool:
    # The exact types: a share of a weight or a quantised one is a subclass, and not laid out as it seems.
    plain = type(weight) in (nn.Parameter, Tensor)
    return plain and weight.device.type == "cpu" and weight.dtype == torch.float32


def _is_served() -> bool:
    """Whether this PyTorch has the two operations, which its compiler uses for the same purpose."""
    operations = ("_reorder_linear_weight", "_linear_pointwise")
    return torch._C._has_mkldnn and all(hasattr(torch.ops.mkldnn, name) for name in operations)


def _reordered(weight: Tensor) -> Tensor:
    laid_out: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)
    return laid_out


def _multiply(weight: Tensor, bias: Tensor | None, rows: Tensor) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product
