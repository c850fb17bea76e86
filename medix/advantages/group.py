"""Deviations of completions from their group, in float64, without unscored ones."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class GroupDeviation:
    """Totals of groups relative to their means.

    Attributes:
        deviation: total minus the mean of the scored totals of its group; exactly 0 where the total is unscored, where
            the scored totals are all equal, and where only one is scored.
        count: scored completions of each group.
        scored: True where there is a total.
    """

    deviation: Float[Tensor, "prompt completion"]
    count: Int[Tensor, "prompt 1"]
    scored: Bool[Tensor, "prompt completion"]

    @classmethod
    def of(cls, totals: Float[Tensor, "prompt completion"]) -> "GroupDeviation":
        """Centre the totals of each group, NaN meaning unscored."""
        if totals.ndim != 2 or totals.shape[1] < 2:
            raise ValueError(
                f"completions_per_prompt must be at least 2, got totals of shape {tuple(totals.shape)}; "
                "an advantage compares the completions of one prompt, so ask for [prompts, 2 or more]"
            )
        if totals.isinf().any():
            raise ValueError("totals hold an infinite value; a reward is finite, or NaN if it could not be scored")
        scored = ~totals.isnan()
        values = totals.detach().to(torch.float64)
        count = scored.sum(dim=1, keepdim=True)
        mean = values.nan_to_num(0.0).sum(dim=1, keepdim=True) / count.clamp(min=1)
        highest = values.nan_to_num(-math.inf).amax(dim=1, keepdim=True)
        lowest = values.nan_to_num(math.inf).amin(dim=1, keepdim=True)
        # Decided by the spread, because the mean is rounded: 0.9 * 8 / 8 is not 0.9.
        varies = highest > lowest
        deviation = torch.where(scored & varies, values - mean, 0.0)
        return cls(deviation=deviation, count=count, scored=scored)

    def mark_unscored(self, advantages: Float[Tensor, "prompt completion"]) -> Float[Tensor, "prompt completion"]:
        """The advantages, with NaN where the total was NaN."""
        return advantages.masked_fill(~self.scored, math.nan)
