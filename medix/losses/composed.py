"""A loss as the composition of a ratio, a surrogate and an aggregate."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from medix.losses.aggregate import Aggregate
from medix.losses.base import GroupLoss, LossInput, LossOutput
from medix.losses.importance import ImportanceCorrection
from medix.losses.ratio import Ratio
from medix.losses.reference_kl import ReferenceKL
from medix.losses.surrogate import Surrogate
from medix.numerics.divergence import k3
from medix.numerics.masking import masked_sum


class ComposedLoss(GroupLoss):
    """aggregate(surrogate(ratio) × importance) + coefficient × aggregate(KL).

    The importance is that of the loss's own correction or ``LossInput.weights``, never the product of both: either is
    the ratio of π_old to what sampled the completion, so that the behaviour policy, the one before the update and the
    present one are told apart (the decoupled objective of arXiv:2110.00641, used by AReaL, arXiv:2505.24298).

    Metrics, each a sum over tokens divided by the token count of the whole batch unless said otherwise:
    ``policy_loss`` (aggregated like the loss, KL left out), ``ratio``, ``old_kl`` (k3 of the policy against the policy
    before the update), ``clip_fraction_low``, ``clip_fraction_high``, ``clip_fraction_dual``; with a reference KL
    ``reference_kl``; with an importance correction ``importance_weight`` and ``importance_bounded``.

    Args:
        ratio: what is compared with the old policy.
        surrogate: what a token contributes.
        aggregate: how tokens become one number.
        reference_kl: divergence from the reference policy in the loss; None for none.
        importance: correction for the rollout engine's probabilities; None for none.
    """

    def __init__(
        self,
        ratio: Ratio,
        surrogate: Surrogate,
        aggregate: Aggregate,
        reference_kl: ReferenceKL | None = None,
        importance: ImportanceCorrection | None = None,
    ) -> None:
        self.ratio = ratio
        self.surrogate = surrogate
        self.aggregate = aggregate
        self.reference_kl = reference_kl
        self.importance = importance

    def __call__(self, batch: LossInput) -> LossOutput:
        batch = batch.cleaned()

        def per_token(values: Tensor) -> Tensor:
            numbers = values.detach().to(batch.policy_logprobs.dtype)
            return masked_sum(numbers, batch.completion_mask) / batch.token_count

        log_ratio = self.ratio(batch)
        token = self.surrogate(log_ratio, batch)
        value = token.value
        metrics = {
            "ratio": per_token(log_ratio.exp()),
            "old_kl": per_token(k3(batch.policy_logprobs, batch.old_logprobs)),
            "clip_fraction_low": per_token(token.clipped_low),
            "clip_fraction_high": per_token(token.clipped_high),
            "clip_fraction_dual": per_token(token.clipped_dual),
        }
        if self.importance is not None:
            if batch.weights is not None:
                raise ValueError(
                    "weights were given to a loss that has an importance correction of its own, which covers them; "
                    "leave one of them out"
                )
            weight = self.importance(batch)
            value = value * weight.value
            metrics |= {
                "importance_weight": per_token(weight.value),
                "importance_bounded": per_token(weight.bounded),
            }
        elif batch.weights is not None:
            value = value * batch.weights
        loss = self.aggregate(value, batch)
        metrics["policy_loss"] = loss.detach()
        if self.reference_kl is not None:
            divergence = self.reference_kl(batch)
            loss = loss + self.reference_kl.coefficient.value * self.aggregate(divergence, batch)
            metrics["reference_kl"] = per_token(divergence)
        return LossOutput(loss=loss, metrics=metrics)

    @property
    def needs_reference_logprobs(self) -> bool:
        return self.reference_kl is not None

    @property
    def needs_rollout_logprobs(self) -> bool:
        return self.importance is not None

    @property
    def weighs_tokens(self) -> bool:
        return True

    def end_step(self, metrics: Mapping[str, float], sequences: int) -> None:
        """Update the KL coefficient, if there is one, with the divergence of the step."""
        if self.reference_kl is not None:
            self.reference_kl.update(metrics["reference_kl"], sequences)

    def state_dict(self) -> dict[str, Any]:
        return {} if self.reference_kl is None else {"reference_kl": self.reference_kl.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of ``state_dict``; a KL term that the run before had not begins as it is."""
        if self.reference_kl is not None and "reference_kl" in state:
            self.reference_kl.load_state_dict(state["reference_kl"])
