"""Linear layers with weights in a blocked memory layout, for sampling on a CPU.

The product of a few rows with a matrix is limited by the time to read the matrix. In a layout of its own choice, oneDNN
reads it two to three times as fast as PyTorch's ordinary product does (BENCHMARKS.md). The layout is a second copy of
the weights, made for every rollout because updates change them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn

ROOM = 2**31
"""Bytes of weights that may be copied; further layers keep the ordinary product."""
_ROWS = 16  # number of rows that the layout is optimised for; other numbers work too


@contextmanager
def packed(*models: nn.Module) -> Iterator[None]:
    """Inside, every plain float32 linear layer on a CPU multiplies with a blocked copy of its weights.

    Values differ by rounding only. There is no gradient, and weights must not change inside.
    """
    changed: list[nn.Module] = []
    # Under autocast the rows have another dtype than the weights, which this product does not accept.
    room = ROOM if _is_supported() and not torch.is_autocast_enabled("cpu") else 0
    try:
        for layer in (layer for model in models for layer in model.modules()):
            if type(layer) is nn.Linear and _can_pack(layer.weight) and layer.weight.nbytes <= room:
                room -= layer.weight.nbytes
                layer.forward = partial(_multiply, _reordered(layer.weight.detach()), layer.bias)  # type: ignore[method-assign]
                changed.append(layer)
        yield
    finally:
        for layer in changed:
            del layer.forward


def _can_pack(weight: Tensor) -> bool:
    # The exact types: sharded and quantised weights are subclasses, whose storage is not a plain matrix.
    plain = type(weight) in (nn.Parameter, Tensor)
    return plain and weight.device.type == "cpu" and weight.dtype == torch.float32


def _is_supported() -> bool:
    """Whether this PyTorch has the two operations, which torch.compile uses for the same purpose."""
    operations = ("_reorder_linear_weight", "_linear_pointwise")
    return torch._C._has_mkldnn and all(hasattr(torch.ops.mkldnn, name) for name in operations)


def _reordered(weight: Tensor) -> Tensor:
    laid_out: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)
    return laid_out


def _multiply(weight: Tensor, bias: Tensor | None, rows: Tensor) -> Tensor:
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product
