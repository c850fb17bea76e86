"""PODS: the completions of a group whose totals differ most."""

from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medix.advantages.subset import Subset

_TIE = 1e-12  # share of a variance that rounding accounts for


class MaxVarianceSubset(Subset):
    """Of each group the ``size`` completions with the largest variance of totals (PODS, arXiv:2504.13818).

    They are the i highest and the ``size`` - i lowest for some i (the paper's lemma), so that sorting and sums over
    prefixes find them in O(G log G). As in the paper's code, the advantage is taken over the subset; ``group`` keeps
    the mean and the spread of all scored completions. Of equal variances, that with more of the highest is taken; of
    equal totals, the completions that come first of the highest, and last of the lowest. A group with fewer scored
    completions gives all of them.

    Args:
        size: completions of each group that are trained on.
        advantage_over: what an advantage compares with: the ``subset`` (the paper) or the whole ``group``.
    """

    def __init__(self, size: int, advantage_over: Literal["subset", "group"] = "subset") -> None:
        super().__init__(advantage_over)
        if size < 2:
            raise ValueError(f"model.subset.size: {size}; give 2 or more, because advantages compare completions")
        self.size = size

    def count(self, completions: int) -> int:
        if self.size > completions:
            raise ValueError(
                f"model.subset.size: {self.size} exceeds completions_per_prompt: {completions}; a subset is a part of "
                "the group"
            )
        return self.size

    def choose(self, totals: Float[Tensor, "prompt completion"]) -> Bool[Tensor, "prompt completion"]:
        values = totals.detach().to(torch.float64)
        scored = ~values.isnan()
        count = scored.sum(dim=1, keepdim=True)
        order = values.masked_fill(~scored, -torch.inf).argsort(dim=1, descending=True, stable=True)
        mean = values.nan_to_num(0.0).sum(dim=1, keepdim=True) / count.clamp(min=1)
        centred = torch.where(scored, values - mean, 0.0).gather(1, order)  # squares of large totals would cancel
        highest = torch.arange(self.size + 1).expand(len(values), -1)
        lowest = (count - self.size).clamp(min=0) + highest  # first place of the lowest, in descending order
        lowest = lowest.minimum(count)
        sums = _between(centred, highest, lowest, count)
        squares = _between(centred.square(), highest, lowest, count)
        spread = squares - sums.square() / self.size
        is_best = spread >= spread.amax(dim=1, keepdim=True) * (1 - _TIE)
        taken = torch.where(is_best, highest, -1).amax(dim=1, keepdim=True)
        place = torch.arange(values.shape[1]).expand_as(values)
        kept = (place < taken) | ((place >= count - self.size + taken) & (place < count))
        return torch.zeros_like(scored).scatter(1, order, kept) & scored


def _between(
    values: Float[Tensor, "prompt completion"], highest: Tensor, lowest: Tensor, count: Tensor
) -> Float[Tensor, "prompt split"]:
    """Sums of the first ``highest`` values and of those from ``lowest`` to ``count``."""
    prefix = torch.nn.functional.pad(values.cumsum(dim=1), (1, 0))
    limit = values.shape[1]
    return prefix.gather(1, highest.clamp(max=limit)) + prefix.gather(1, count) - prefix.gather(1, lowest)
