"""Correction for a rollout engine whose probabilities differ from the trainer's.

The same weights in another kernel, precision or batch give slightly other probabilities, so completions are samples of
μ, what the engine computed, and not of π_old. Each token's loss is weighted by w = π_old / μ, a constant, kept within
bounds in one of two ways.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medix.losses.base import LossInput
from medix.numerics.divergence import LOG_RATIO_BOUND


@dataclass(frozen=True, slots=True, eq=False)
class TokenWeight:
    """Weights of tokens.

    Attributes:
        value: the factor of the token's loss, without gradient.
        bounded: True where a bound changed it.
    """

    value: Float[Tensor, "row time"]
    bounded: Bool[Tensor, "row time"]


class ImportanceCorrection(ABC):
    """Weights the loss of each token by how likely the trainer's policy was to sample it.

    Args:
        low: the lower bound of the weight, not negative.
        high: the upper bound of the weight.
    """

    def __init__(self, low: int | float, high: int | float) -> None:
        if not 0 <= low < high < math.inf:
            raise ValueError(
                f"low and high must satisfy 0 <= low < high, got low {low} and high {high}; the weight of a token is 1 "
                "where engine and trainer agree"
            )
        self.low = low
        self.high = high

    def __call__(self, batch: LossInput) -> TokenWeight:
        """The weight of every token of a cleaned input."""
        if batch.rollout_logprobs is None:
            raise ValueError(
                "rollout_logprobs is None, but the loss has an importance correction; take them from the rollout "
                "engine, or set importance: null"
            )
        weight = (batch.old_logprobs - batch.rollout_logprobs).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND).exp()
        return TokenWeight(value=self.bound(weight), bounded=(weight < self.low) | (weight > self.high))

    @abstractmethod
    def bound(self, weight: Float[Tensor, "row time"]) -> Float[Tensor, "row time"]:
        """The weights within the bounds."""


class TruncatedImportance(ImportanceCorrection):
    """Weights are cut off at the bounds: truncated importance sampling, as in TRL and OpenRLHF.

    Args:
        low: the lower bound of the weight; 0 for none.
        high: the upper bound of the weight.
    """

    def __init__(self, low: int | float = 0.0, high: int | float = 2.0) -> None:
        super().__init__(low, high)

    def bound(self, weight: Float[Tensor, "row time"]) -> Float[Tensor, "row time"]:
        return weight.clamp(self.low, self.high)


class MaskedImportance(ImportanceCorrection):
    """Tokens with a weight out of bounds are left out of the loss, as in IcePop; the denominators still count them.

    Args:
        low: the lower bound of the weight.
        high: the upper bound of the weight.
    """

    def __init__(self, low: int | float = 0.5, high: int | float = 5.0) -> None:
        super().__init__(low, high)

    def bound(self, weight: Float[Tensor, "row time"]) -> Float[Tensor, "row time"]:
        return torch.where((weight >= self.low) & (weight <= self.high), weight, 0.0)
