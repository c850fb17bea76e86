"""Linear layers of the same rows as one product, with weights in a blocked memory layout, for sampling on a CPU.

The product of a few rows with a matrix is limited by the time to read the matrix. In a layout of its own choice, oneDNN
reads it up to two to three times as fast as PyTorch's ordinary product does, depending on the processor, and one large
matrix faster than several small ones, between which its threads wait for each other (BENCHMARKS.md). The layout is a
second copy of the weights, made for every rollout because updates change them.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from medix.policy.merged import MergedWeight, can_merge

ROOM = 2**31
"""Bytes of weights that may be copied; further layers keep the ordinary product."""
_ROWS = 16  # number of rows that the layout is optimised for; other numbers work too


class Packing:
    """Copies weights as long as there is room: plain float32 layers on a CPU, with their adapters merged."""

    def __init__(self) -> None:
        # Under autocast the rows have another dtype than the weights, which this product does not accept.
        self.room = ROOM if _is_supported() and not torch.is_autocast_enabled("cpu") else 0

    def product(self, *layers: nn.Module) -> "Product":
        """The outputs of layers side by side, ``[row, sum of widths]``."""
        if self.room > 0 and all(map(_can_pack, layers)) and len({_plain(layer).bias is None for layer in layers}) == 1:
            weight = torch.cat([_weight(layer) for layer in layers])
            if weight.nbytes <= self.room:
                self.room -= weight.nbytes
                return PackedProduct(weight, [_plain(layer).bias for layer in layers])
        return Product(layers)


class Product:
    """Calls its layers.

    Args:
        layers: they take the same rows.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self.layers = layers

    def __call__(self, rows: Tensor) -> Tensor:
        outputs = [layer(rows) for layer in self.layers]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=-1)


class PackedProduct(Product):
    """Multiplies with a blocked copy. Values differ by rounding only; there is no gradient.

    Args:
        weight: ``[output, input]``.
        biases: of the layers of the weight; all or none.
    """

    def __init__(self, weight: Tensor, biases: Sequence[Tensor | None]) -> None:
        super().__init__(())
        given = [bias.detach() for bias in biases if bias is not None]
        self.bias = torch.cat(given) if given else None
        self.weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _ROWS)

    def __call__(self, rows: Tensor) -> Tensor:
        product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, "none", [], "")
        return product


def _can_pack(layer: nn.Module) -> bool:
    """Whether a layer is a matrix of numbers that can be copied, and does nothing else."""
    plain = _plain(layer)
    if type(plain) is not nn.Linear or (layer is not plain and layer.disable_adapters):
        return False
    # The exact types: sharded and quantised weights are subclasses, whose storage is not a plain matrix.
    weight = plain.weight
    return type(weight) in (nn.Parameter, Tensor) and weight.device.type == "cpu" and weight.dtype == torch.float32


def _plain(layer: nn.Module) -> Any:
    """The layer without the adapters that can be merged into its weight."""
    return layer.base_layer if can_merge(layer) else layer


def _weight(layer: nn.Module) -> Tensor:
    plain = _plain(layer)
    return MergedWeight(plain.weight, None if layer is plain else layer).value()


def _is_supported() -> bool:
    """Whether this PyTorch has the two operations, which torch.compile uses for the same purpose."""
    operations = ("_reorder_linear_weight", "_linear_pointwise")
    return torch._C._has_mkldnn and all(hasattr(torch.ops.mkldnn, name) for name in operations)
