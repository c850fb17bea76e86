"""What every advantage is: a function of the totals of a group."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor


class Advantage(ABC):
    """Says how much better a completion is than its group. Works in float64: in float32 a constant group of eight
    gets up to 0.056 from rounding alone."""

    @abstractmethod
    def __call__(self, totals: Float[Tensor, "prompt completion"]) -> Float[Tensor, "prompt completion"]:
        """Advantages in float64; NaN where the total is NaN (unscored), which leaves the group's mean and spread."""
