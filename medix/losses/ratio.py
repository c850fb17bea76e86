"""Log-ratios of the policy to the policy before the updates of the step."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from medix.losses.base import LossInput
from medix.numerics.divergence import LOG_RATIO_BOUND
from medix.numerics.masking import row_mean


class Ratio(ABC):
    """Decides whether ratios are taken per token or per completion."""

    @abstractmethod
    def __call__(self, batch: LossInput) -> Float[Tensor, "row time"]:
        """Log-ratio of every token of a cleaned input, clamped to ±20; a clamped one has no gradient."""


class TokenRatio(Ratio):
    """log π(token) - log π_old(token): one ratio per token (PPO, GRPO, DAPO)."""

    def __call__(self, batch: LossInput) -> Float[Tensor, "row time"]:
        return (batch.policy_logprobs - batch.old_logprobs).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)


class SequenceRatio(Ratio):
    """The mean log-ratio of the completion, the same for all of its tokens (GSPO, arXiv:2507.18071, Eq. 7)."""

    def __call__(self, batch: LossInput) -> Float[Tensor, "row time"]:
        difference = batch.policy_logprobs - batch.old_logprobs
        sequence = row_mean(difference, batch.completion_mask).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
        return sequence[:, None].expand_as(difference)


class SequenceTokenRatio(Ratio):
    """The value of the sequence ratio with the gradient of each token's own (GSPO-token, arXiv:2507.18071, Eq. 14).

    sg[mean of the log-ratio] + log π - sg[log π]: a token is clipped when its completion is, and moves its own
    log-probability only.
    """

    def __call__(self, batch: LossInput) -> Float[Tensor, "row time"]:
        difference = batch.policy_logprobs - batch.old_logprobs
        sequence = row_mean(difference.detach(), batch.completion_mask)[:, None]
        own = batch.policy_logprobs - batch.policy_logprobs.detach()
        return (sequence + own).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
