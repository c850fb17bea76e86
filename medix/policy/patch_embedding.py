"""The patch embedding of Qwen's vision towers as a matrix product.

Kernel, stride and input of its Conv3d have the same size, so that each output is the product of a whole patch with a
row of weights. As a convolution it is several times slower than the product on a CPU, and was 10 to 20 times slower on
GPUs with PyTorch 2.9 (pytorch/pytorch#174051).
"""

import torch
from torch import Tensor, nn


class PatchEmbedding(nn.Conv3d):
    """A Conv3d that multiplies inputs of its kernel's size, and convolves others.

    Names and shapes in the state dictionary are those of the Conv3d.
    """

    @classmethod
    def of(cls, convolution: nn.Conv3d) -> "PatchEmbedding":
        """The same layer, sharing the parameters of a convolution."""
        with torch.device("meta"):
            made = cls(
                convolution.in_channels,
                convolution.out_channels,
                convolution.kernel_size,  # type: ignore[arg-type]  # declared by torch as a tuple of any length
                stride=convolution.stride,  # type: ignore[arg-type]
                bias=convolution.bias is not None,
            )
        made.weight, made.bias = convolution.weight, convolution.bias
        return made.train(convolution.training)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  # the name in torch
        if input.ndim != 5 or input.shape[2:] != self.kernel_size:
            return super().forward(input)
        product = nn.functional.linear(input.flatten(1), self.weight.flatten(1), self.bias)
        return product[:, :, None, None, None]


def multiply_patches(model: nn.Module) -> int:
    """Replace, in place, every Conv3d of a model that embeds patches; returns their number."""
    found = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if type(layer) is nn.Conv3d and _embeds_patches(layer)
    ]
    for parent, name, layer in found:
        setattr(parent, name, PatchEmbedding.of(layer))
    return len(found)


def _embeds_patches(layer: nn.Conv3d) -> bool:
    return (
        layer.stride == layer.kernel_size
        and layer.groups == 1
        and set(layer.dilation) == {1}
        and layer.padding in ("valid", (0, 0, 0))
    )
