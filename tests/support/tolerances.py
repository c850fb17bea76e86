"""How far two correct computations on the tiny models may lie apart, from the number of their roundings.

A sum of n terms is rounded n times, each time by at most u = eps / 2 of its value. Independent errors add up to at most
CONFIDENCE · √n · u, but for a probability of 2 exp(-CONFIDENCE² / 2) (Higham and Mary, "A new approach to probabilistic
rounding error analysis", 2019). Sums that follow each other count as one longer sum, and so do two computations that
are compared. Bounds are relative to the size of the terms, which is about 1 for the logits of the tiny models.
"""

import math

import torch

CONFIDENCE = 4.0
"""Standard deviations; the bound is exceeded with a probability of 7e-4."""

PATCH = 3 * 2 * 16 * 16
"""Terms of the embedding of a patch: channels, frames, height, width."""

LAYER = 32 + 16 + 256 + 32 + 32 + 64
"""Terms of a layer's sums: queries and keys, their product, the sum over 256 positions, output, up, down."""

PASS = PATCH + 2 * LAYER + 4 * (32 + 32) + 2 * LAYER + 32
"""Terms from pixels to logits: patch, two vision layers, projection of 2 by 2 patches, two text layers, head."""

PRODUCTS = 2 + 2 * 6 + 2 + 2 * 6 + 1
"""Matrix products from pixels to logits, each with a result that is rounded to the dtype of the weights."""


def rounding(roundings: int, dtype: torch.dtype = torch.float32) -> float:
    """Bound on the difference of two computations that round as often, relative to the size of their terms."""
    return CONFIDENCE * math.sqrt(2 * roundings) * torch.finfo(dtype).eps / 2


LOGPROBS = rounding(PASS)
"""Log-probabilities and logits of two passes in float32: 2.0e-5."""

GRADIENT = rounding(3 * PASS)
"""Gradients of two passes in float32, relative to the norm of all of them: forward, and two products backward."""

BFLOAT16_LOGPROBS = rounding(PRODUCTS, torch.bfloat16)
"""Two passes with weights in bfloat16: products are summed in float32 and rounded once."""

BFLOAT16_GRADIENT = rounding(3 * PRODUCTS, torch.bfloat16)
