"""The base class of advantages: functions of the totals of a group."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor


class Advantage(ABC):
    """Computes how much better a completion is than its group.

    Uses float64: in float32, rounding alone gives a constant group of eight advantages of up to 0.056.
    """

    @abstractmethod
    def __call__(self, totals: Float[Tensor, "prompt completion"]) -> Float[Tensor, "prompt completion"]:
        """Advantages in float64. NaN where the total is NaN (unscored), which is excluded from mean and spread."""
