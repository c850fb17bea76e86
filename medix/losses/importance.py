"""Importance correction for completions that another policy sampled than the one before the update.

The same weights in another kernel, precision or batch give slightly other probabilities, and older weights others
still, so completions are samples of μ, what the engine computed, and not of π_old. Each token's loss is weighted by
w = π_old / μ, a constant, kept within bounds in one of three ways. As ``importance`` of a loss it weights all
completions; without one, ``update.stale_importance`` weights those of older weights.
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
        weight = (batch.sampling_logprobs - batch.rollout_logprobs).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND).exp()
        return self.bound(weight, batch.completion_mask)

    @abstractmethod
    def bound(self, weight: Float[Tensor, "row time"], mask: Bool[Tensor, "row time"]) -> TokenWeight:
        """The weights within the bounds.

        Args:
            weight: w of every token, above 0.
            mask: True at tokens of completions.
        """

    def _is_outside(self, weight: Float[Tensor, "row time"]) -> Bool[Tensor, "row time"]:
        return (weight < self.low) | (weight > self.high)


class TruncatedImportance(ImportanceCorrection):
    """Weights are clamped to the bounds: truncated importance sampling, as in TRL and OpenRLHF.

    Args:
        low: the lower bound of the weight; 0 for none.
        high: the upper bound of the weight.
    """

    def __init__(self, low: int | float = 0.0, high: int | float = 2.0) -> None:
        super().__init__(low, high)

    def bound(self, weight: Float[Tensor, "row time"], mask: Bool[Tensor, "row time"]) -> TokenWeight:  # noqa: ARG002
        return TokenWeight(weight.clamp(self.low, self.high), self._is_outside(weight))


class MaskedImportance(ImportanceCorrection):
    """Tokens with a weight out of bounds are left out of the loss, as in IcePop; the denominators still count them.

    Args:
        low: the lower bound of the weight.
        high: the upper bound of the weight.
    """

    def __init__(self, low: int | float = 0.5, high: int | float = 5.0) -> None:
        super().__init__(low, high)

    def bound(self, weight: Float[Tensor, "row time"], mask: Bool[Tensor, "row time"]) -> TokenWeight:  # noqa: ARG002
        outside = self._is_outside(weight)
        return TokenWeight(torch.where(outside, 0.0, weight), outside)


class SequenceMaskedImportance(ImportanceCorrection):
    """Whole completions are left out if the engine sampled them from a policy that differs too much.

    What is bounded is the geometric mean of a completion's weights, exp(mean log w): a bound means the same for short
    and long ones, as in GSPO (arXiv:2507.18071, equation 7). NeMo-RL masks by the same mean; TRL's ``sequence_mask``
    takes the product, which long completions leave for rounding alone. Tokens of completions that stay are weighted as
    by ``TruncatedImportance``; the denominators still count what is left out.

    Args:
        low: the lower bound of the mean.
        high: the upper bound of the mean.
        cap: the upper bound of the weight of one token.
    """

    def __init__(self, low: int | float = 0.5, high: int | float = 2.0, cap: int | float = 2.0) -> None:
        super().__init__(low, high)
        if not 1 <= cap < math.inf:
            raise ValueError(f"cap must be a number from 1, got {cap}; 1 is the weight where engine and trainer agree")
        self.cap = cap

    def bound(self, weight: Float[Tensor, "row time"], mask: Bool[Tensor, "row time"]) -> TokenWeight:
        length = mask.sum(dim=1, keepdim=True).clamp(min=1)
        mean = (weight.log() * mask).sum(dim=1, keepdim=True).div(length).exp()
        outside = self._is_outside(mean)
        value = torch.where(outside, 0.0, weight.clamp(max=self.cap))
        return TokenWeight(value, outside | (weight > self.cap))
