"""The base class of advantages: functions of the totals of a group."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor


class Advantage(ABC):
    """Computes how much better a completion is than its group.

    Uses float64: in float32, rounding alone gives a constant group of eight advantages of up to 0.056.
    """

    @abstractmethod
    def __call__(self, totals: Float[Tensor, "prompt completion"]) -> Float[Tensor, "prompt completion"]:
        """Advantages in float64. NaN where the total is NaN (unscored), which is excluded from mean and spread."""


def checked_advantages(
    advantage: Advantage, totals: Float[Tensor, "prompt completion"]
) -> Float[Tensor, "prompt completion"]:
    """What an advantage computes, which may be user code: no completion is left out, or trained on, by its mistake.

    Raises:
        ValueError: it is not one finite number per scored completion and NaN for every other.
    """
    found = advantage(totals)
    if not isinstance(found, Tensor) or found.shape != totals.shape:
        given = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(
            f"model.advantage: {type(advantage).__name__} returned {given} for totals of shape {tuple(totals.shape)}; "
            "return one advantage per completion, in the same order"
        )
    wrong = torch.where(totals.isnan(), ~found.isnan(), ~found.isfinite())
    if wrong.any():
        row = int(wrong.any(dim=1).nonzero()[0])
        raise ValueError(
            f"model.advantage: {type(advantage).__name__} returned {found[row].tolist()} for the totals "
            f"{totals[row].tolist()}. An advantage is finite where there is a total, and NaN where that is NaN "
            "(unscored): leave these out of the mean and spread (nanmean), and take care of a spread of 0. "
            "medix.advantages.group.GroupDeviation does both"
        )
    return found
