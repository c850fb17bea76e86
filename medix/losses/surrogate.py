"""Surrogates: the loss of a token, given its ratio and the advantage of its completion."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medix.losses.base import LossInput


@dataclass(frozen=True, slots=True, eq=False)
class TokenLoss:
    """The loss of each token before any averaging.

    Attributes:
        value: the loss of the token.
        clipped_low: True where the lower bound replaced the ratio.
        clipped_high: True where the upper bound replaced the ratio.
        clipped_dual: True where the dual clip bounded the loss.
    """

    value: Float[Tensor, "row time"]
    clipped_low: Bool[Tensor, "row time"]
    clipped_high: Bool[Tensor, "row time"]
    clipped_dual: Bool[Tensor, "row time"]


class Surrogate(ABC):
    """Turns ratios into losses of tokens."""

    @abstractmethod
    def __call__(self, log_ratio: Float[Tensor, "row time"], batch: LossInput) -> TokenLoss:
        """The loss of every token of a cleaned input; values outside its mask are undefined."""


class ClippedSurrogate(Surrogate):
    """max(-A·ρ, -A·clip(ρ, 1 - clip_low, 1 + clip_high)), the pessimistic bound of PPO (arXiv:1707.06347, Eq. 7).

    For A < 0 the loss -A·ρ grows without limit with ρ; the dual clip (arXiv:1912.09729, Eq. 5) bounds it by
    -A·dual_clip. A clipped token has no gradient.

    Args:
        clip_low: lower distance of the ratio from 1, within (0, 1).
        clip_high: upper distance of the ratio from 1, positive.
        dual_clip: the largest ratio that counts where the advantage is negative, above 1; None for no such bound.
    """

    def __init__(self, clip_low: float, clip_high: int | float, dual_clip: int | float | None) -> None:
        _check_clips(clip_low, clip_high)
        if dual_clip is not None and not 1 < dual_clip < math.inf:
            raise ValueError(f"dual_clip must be a number above 1, got {dual_clip}; 3 is usual, null switches it off")
        self.clip_low = clip_low
        self.clip_high = clip_high
        self.dual_clip = dual_clip

    def __call__(self, log_ratio: Float[Tensor, "row time"], batch: LossInput) -> TokenLoss:
        ratio = log_ratio.exp()
        advantage = batch.advantages[:, None]
        low, high = 1 - self.clip_low, 1 + self.clip_high
        value = torch.maximum(-advantage * ratio, -advantage * ratio.clamp(low, high))
        clipped_dual = torch.zeros_like(batch.completion_mask)
        if self.dual_clip is not None:
            clipped_dual = (advantage < 0) & (ratio > self.dual_clip)
            value = torch.where(clipped_dual, -advantage * self.dual_clip, value)
        return TokenLoss(
            value=value,
            clipped_low=(advantage < 0) & (ratio < low),
            clipped_high=(advantage > 0) & (ratio > high),
            clipped_dual=clipped_dual,
        )


class WeightedLikelihood(Surrogate):
    """-sg[clip(ρ, 1 - clip_low, 1 + clip_high)]·A·log π: the clip bounds the weight of a token and never silences it.

    CISPO, MiniMax-M1 (arXiv:2506.13585, Eq. 4 and 5).

    Args:
        clip_low: lower distance of the ratio from 1, within (0, 1); None for no lower bound.
        clip_high: upper distance of the ratio from 1, positive.
    """

    def __init__(self, clip_low: float | None, clip_high: int | float) -> None:
        _check_clips(clip_low, clip_high)
        self.clip_low = clip_low
        self.clip_high = clip_high

    def __call__(self, log_ratio: Float[Tensor, "row time"], batch: LossInput) -> TokenLoss:
        ratio = log_ratio.detach().exp()
        low, high = 0.0 if self.clip_low is None else 1 - self.clip_low, 1 + self.clip_high
        return TokenLoss(
            value=-ratio.clamp(low, high) * batch.advantages[:, None] * batch.policy_logprobs,
            clipped_low=ratio < low,
            clipped_high=ratio > high,
            clipped_dual=torch.zeros_like(batch.completion_mask),
        )


def _check_clips(clip_low: float | None, clip_high: int | float) -> None:
    if clip_low is not None and not 0 < clip_low < 1:
        raise ValueError(
            f"clip_low must lie between 0 and 1, got {clip_low}; it is the distance of the lower bound 1 - clip_low "
            "from 1, for example 0.2"
        )
    if not 0 < clip_high < math.inf:
        raise ValueError(
            f"clip_high must be positive and finite, got {clip_high}; it is the distance of the upper bound "
            "1 + clip_high from 1, for example 0.28"
        )
