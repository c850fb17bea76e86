"""The divergence from the reference policy as a penalty on rewards."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medix.losses.coefficient import Coefficient
from medix.losses.reference_kl import check_estimator
from medix.numerics.divergence import ESTIMATORS, Estimator
from medix.numerics.masking import masked_mean, row_sum, zero_outside


class RewardKL:
    """A KL penalty on completions, to be subtracted from their totals before the advantage.

    coefficient × sum over its tokens of the KL estimate, as where every token's reward is lowered by its own estimate
    (arXiv:1909.08593, Eq. 2) and a group advantage then sums them. It carries no gradient: the log-probabilities are
    those of the policy before the step. An unscored total stays NaN after the subtraction.

        totals = totals - reward_kl(old_logprobs, reference_logprobs, completion_mask).view_as(totals)

    Args:
        estimator: ``k1`` is unbiased and the usual choice here; ``k2`` and ``k3`` are never negative.
        coefficient: its weight, fixed or adaptive.
    """

    def __init__(self, estimator: Estimator, coefficient: Coefficient) -> None:
        check_estimator(estimator)
        self.estimator = estimator
        self.coefficient = coefficient

    @torch.no_grad()
    def __call__(
        self,
        policy_logprobs: Float[Tensor, "row time"],
        reference_logprobs: Float[Tensor, "row time"],
        completion_mask: Bool[Tensor, "row time"],
    ) -> Float[Tensor, " row"]:
        """The penalty of each completion, in float64 like the totals."""
        estimate = self._estimate(policy_logprobs, reference_logprobs, completion_mask)
        return self.coefficient.value * row_sum(estimate, completion_mask)

    @torch.no_grad()
    def divergence(
        self,
        policy_logprobs: Float[Tensor, "row time"],
        reference_logprobs: Float[Tensor, "row time"],
        completion_mask: Bool[Tensor, "row time"],
    ) -> Float[Tensor, ""]:
        """Nats per token over all rows, before the coefficient; ``update`` takes it reduced over ranks."""
        return masked_mean(self._estimate(policy_logprobs, reference_logprobs, completion_mask), completion_mask)

    def update(self, kl: int | float, sequences: int) -> None:
        """Update the coefficient with the divergence of a step (nats per token, the same on every rank)."""
        self.coefficient.update(kl, sequences)

    def state_dict(self) -> dict[str, Any]:
        """State that a resumed run needs."""
        return {"coefficient": self.coefficient.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.coefficient.load_state_dict(state["coefficient"])

    def _estimate(self, policy: Tensor, reference: Tensor, mask: Tensor) -> Tensor:
        policy, reference = (zero_outside(logprobs.double(), mask) for logprobs in (policy, reference))
        return ESTIMATORS[self.estimator](policy, reference)
