"""The base class of losses: functions of token log-probabilities and completion advantages."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medix.numerics.masking import zero_outside

Count = int | float | Tensor
"""A number of tokens or sequences; a scalar tensor fresh from an all-reduce will do."""


@dataclass(frozen=True, slots=True, eq=False)
class LossInput:
    """The input of a loss, one completion per row: a whole batch, or a micro-batch of it.

    The denominators are those of the *whole batch of one update*: every micro-batch on every rank is given the same
    numbers, divides by them, and the losses and gradients of the micro-batches add up to those of the batch. (Where
    the strategy averages gradients over ranks, as data-parallel ones do, multiply the loss by their number.)

    Attributes:
        policy_logprobs: log-probabilities under the policy being trained, with gradient.
        old_logprobs: the same before the updates of the step, from the trainer's own forward pass, never from the
            rollout engine: a ratio is exactly 1 while the weights are the same.
        advantages: one per completion, finite; an unscored completion has no row.
        completion_mask: True on tokens that are trained. Values at other positions are never read.
        token_count: True positions of the whole batch.
        sequence_count: completions of the whole batch with at least one True position.
        reference_logprobs: log-probabilities under the reference policy; read only by a loss that asks for KL.
        rollout_logprobs: log-probabilities the rollout engine reported when sampling, NaN where it reported none; read
            only by a loss that asks for an importance correction.
        longest: trained tokens of the longest completion of the whole batch; read only by ``SequenceSumNorm()``
            without a length of its own. None: these rows are as wide as the batch.
        weights: a constant factor of each token's policy loss: the importance of completions that older weights
            sampled, 1 for all others. None: 1 everywhere.
        undropped_logprobs: ``old_logprobs`` without dropout, for importance weights, since no engine samples with
            dropout. None: ``old_logprobs`` had none.
    """

    policy_logprobs: Float[Tensor, "row time"]
    old_logprobs: Float[Tensor, "row time"]
    advantages: Float[Tensor, " row"]
    completion_mask: Bool[Tensor, "row time"]
    token_count: Count
    sequence_count: Count
    reference_logprobs: Float[Tensor, "row time"] | None = None
    rollout_logprobs: Float[Tensor, "row time"] | None = None
    longest: int | None = None
    weights: Float[Tensor, "row time"] | None = None
    undropped_logprobs: Float[Tensor, "row time"] | None = None

    @property
    def sampling_logprobs(self) -> Float[Tensor, "row time"]:
        """What an engine with the weights before the step would report."""
        return self.old_logprobs if self.undropped_logprobs is None else self.undropped_logprobs

    @classmethod
    def from_batch(
        cls,
        policy_logprobs: Float[Tensor, "row time"],
        old_logprobs: Float[Tensor, "row time"],
        advantages: Float[Tensor, " row"],
        completion_mask: Bool[Tensor, "row time"],
        reference_logprobs: Float[Tensor, "row time"] | None = None,
        rollout_logprobs: Float[Tensor, "row time"] | None = None,
        weights: Float[Tensor, "row time"] | None = None,
    ) -> "LossInput":
        """The input for a whole batch: counts the denominators. Not for a micro-batch, whose counts are the batch's."""
        tokens = completion_mask.sum(dim=1).tolist()
        return cls(
            policy_logprobs=policy_logprobs,
            old_logprobs=old_logprobs,
            advantages=advantages,
            completion_mask=completion_mask,
            token_count=sum(tokens),
            sequence_count=sum(count > 0 for count in tokens),
            reference_logprobs=reference_logprobs,
            rollout_logprobs=rollout_logprobs,
            longest=max(tokens, default=0),
            weights=weights,
        )

    def cleaned(self) -> "LossInput":
        """Validate; convert to float32 or wider; detach constants; set positions outside the mask to 0.

        Raises:
            ValueError: shapes disagree, the mask is not boolean, an advantage is not finite, a count is not positive.
        """
        self._check()
        dtype = torch.promote_types(self.policy_logprobs.dtype, torch.float32)

        def clean(logprobs: Tensor) -> Tensor:
            return zero_outside(logprobs.to(dtype), self.completion_mask)

        reference, rollout, weights = self.reference_logprobs, self.rollout_logprobs, self.weights
        undropped = self.undropped_logprobs
        return replace(
            self,
            policy_logprobs=clean(self.policy_logprobs),
            old_logprobs=clean(self.old_logprobs.detach()),
            advantages=self.advantages.detach().to(dtype),
            reference_logprobs=None if reference is None else clean(reference.detach()),
            rollout_logprobs=None if rollout is None else clean(rollout.detach()),
            weights=None if weights is None else clean(weights.detach()),
            undropped_logprobs=None if undropped is None else clean(undropped.detach()),
        )

    def _check(self) -> None:
        if self.completion_mask.dtype is not torch.bool:
            raise ValueError(f"completion_mask must be boolean, got {self.completion_mask.dtype}; pass mask.bool()")
        shape = tuple(self.policy_logprobs.shape)
        for field in fields(self):
            value = getattr(self, field.name)
            expected = shape[:1] if field.name == "advantages" else shape
            if isinstance(value, Tensor) and not field.name.endswith("_count") and tuple(value.shape) != expected:
                raise ValueError(
                    f"{field.name} has shape {tuple(value.shape)}, expected {expected} beside policy_logprobs {shape}; "
                    "a loss takes one row per completion and one advantage per row"
                )
        for name in ("token_count", "sequence_count"):
            if not getattr(self, name) > 0:
                raise ValueError(
                    f"{name} must be positive, got {getattr(self, name)}; it counts the whole batch, so nothing in it "
                    "would be trained: skip the update, or check completion_mask"
                )
        finite = self.advantages.isfinite()
        if not finite.all():
            rows = (~finite).nonzero().flatten().tolist()
            raise ValueError(
                f"advantages of rows {rows} are {self.advantages[rows].tolist()}; leave unscored completions out of "
                "the batch and of its counts, they have no advantage"
            )


@dataclass(frozen=True, slots=True, eq=False)
class LossOutput:
    """A loss and its metrics.

    Attributes:
        loss: scalar with gradient.
        metrics: detached scalars, the same keys for every input. Each is a sum over the rows of the input divided by
            a count of the whole batch, so that those of all micro-batches and ranks *add up* to that of the batch.
    """

    loss: Float[Tensor, ""]
    metrics: dict[str, Float[Tensor, ""]]


class GroupLoss(ABC):
    """A loss for group-based reinforcement learning."""

    @abstractmethod
    def __call__(self, batch: LossInput) -> LossOutput:
        """The contribution of this input to the loss of its batch."""

    @property
    def needs_reference_logprobs(self) -> bool:
        """Whether the loss reads ``LossInput.reference_logprobs``; if not, the reference policy need not run."""
        return False

    @property
    def needs_rollout_logprobs(self) -> bool:
        """Whether the loss reads ``LossInput.rollout_logprobs``."""
        return False

    @property
    def weighs_tokens(self) -> bool:
        """Whether the loss multiplies the loss of each token by ``LossInput.weights``."""
        return False

    def end_step(self, metrics: Mapping[str, float], sequences: int) -> None:  # noqa: B027
        """Update adaptive state, such as a KL coefficient, after a step; does nothing by default.

        Args:
            metrics: means over the updates that were made, of sums over micro-batches and ranks: every rank must pass
                the same numbers. Not called after a step whose updates were all skipped.
            sequences: completions of the updates that were made, over all ranks.
        """

    def state_dict(self) -> dict[str, Any]:
        """State that a resumed run needs."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """The inverse of ``state_dict``."""
