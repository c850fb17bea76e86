"""Normalisation of components within a group, before they are weighted."""

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_ROUNDING = 1e-9  # values nearer than this are equal: a mean of equal values need not be exactly one of them


class Normalisation(ABC):
    """Normalises the values of one component before weighting; advantages are computed from the result."""

    @abstractmethod
    def __call__(
        self, value: Float[Tensor, " row"], counts: Bool[Tensor, " row"], groups: Sequence[Hashable]
    ) -> Float[Tensor, " row"]:
        """Normalise one component.

        Args:
            value: [N] float64, what each row earns; 0 where ``counts`` is False.
            counts: rows that are scored; the others leave mean and spread.
            groups: the group of each row.
        """


class GroupNormalisation(Normalisation):
    """(r_k - mean_k) / (std_k + eps) of each component k within the group, before weighting.

    The decoupled normalisation of GDPO (arXiv:2601.05242): totals alone cannot tell (1, 0) from (0, 1) when weights
    are equal, and a component with little spread drowns in one with much. Each component here weighs by its weight
    alone, however rarely it varies: a format that one completion of eight misses counts as much as an answer that half
    of them miss. Use it when a component with a small weight has stopped moving; leave it when components agree.

    The spread is the sample standard deviation (n - 1), as in GRPO. A component whose values are all equal in a group
    gives exactly 0 there. Differs from GDPO: its last step, over the whole batch, belongs to the advantage; penalties
    are added as they are; totals for logs, reports and limits stay those of the raw components.

    Args:
        eps: added to the standard deviation.
    """

    def __init__(self, eps: float = 1e-6) -> None:
        if not eps > 0:
            raise ValueError(f"rewards.normalisation.eps: {eps} must be above 0; usually 1e-6")
        self.eps = eps

    def __call__(
        self, value: Float[Tensor, " row"], counts: Bool[Tensor, " row"], groups: Sequence[Hashable]
    ) -> Float[Tensor, " row"]:
        """[N] values with mean 0 over the counted rows of each group; 0 in rows that do not count."""
        order = {group: index for index, group in enumerate(dict.fromkeys(groups))}
        index = torch.tensor([order[group] for group in groups], dtype=torch.long)
        kept = counts.to(torch.float64)
        number = torch.zeros(len(order), dtype=torch.float64).index_add_(0, index, kept)
        mean = torch.zeros_like(number).index_add_(0, index, value * kept) / number.clamp(min=1)
        deviation = (value - mean[index]) * kept
        square = torch.zeros_like(number).index_add_(0, index, deviation.square())
        spread = (square / (number - 1).clamp(min=1)).sqrt()
        widest = torch.zeros_like(number).scatter_reduce_(0, index, deviation.abs(), "amax")
        normalised = deviation / (spread[index] + self.eps)
        return torch.where(widest[index] > _ROUNDING, normalised, 0.0)
