"""Sums and means over the True positions of a mask.

Values under False never reach the result or its gradient, not even as NaN or infinity: they are replaced before any
arithmetic, since a product with zero would keep a NaN.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


def zero_outside(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The values where the mask is True, exactly 0 elsewhere."""
    return torch.where(mask, values, torch.zeros((), dtype=values.dtype, device=values.device))


def masked_sum(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Sum of the values where the mask is True."""
    return zero_outside(values, mask).sum()


def masked_mean(values: Float[Tensor, "*shape"], mask: Bool[Tensor, "*shape"]) -> Float[Tensor, ""]:
    """Mean of the values where the mask is True; NaN if it is True nowhere."""
    return masked_sum(values, mask) / mask.sum()


def row_sum(values: Float[Tensor, "row time"], mask: Bool[Tensor, "row time"]) -> Float[Tensor, " row"]:
    """Sum of each row over its True positions; 0 for a row without any."""
    return zero_outside(values, mask).sum(dim=1)


def row_mean(values: Float[Tensor, "row time"], mask: Bool[Tensor, "row time"]) -> Float[Tensor, " row"]:
    """Mean of each row over its True positions; 0 for a row without any, which has nothing to contribute to a loss."""
    return row_sum(values, mask) / mask.sum(dim=1).clamp(min=1)


def prefix_mask(lengths: Int[Tensor, " row"], width: int) -> Bool[Tensor, "row {width}"]:
    """True on the first ``lengths[i]`` positions of row i."""
    return torch.arange(width, device=lengths.device) < lengths[:, None]
