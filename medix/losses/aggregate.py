"""Aggregation of token losses into one number.

Every aggregate is a sum over the tokens at hand with weights that depend on the token's own completion and on counts
of the whole batch, never on which rows are at hand: that is why micro-batches add up.
"""

import warnings
from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from medix.losses.base import LossInput
from medix.numerics.masking import masked_sum, row_mean


class Aggregate(ABC):
    """Decides whether tokens or completions have equal weight."""

    @abstractmethod
    def __call__(self, values: Float[Tensor, "row time"], batch: LossInput) -> Float[Tensor, ""]:
        """The contribution of these rows to the aggregate of the whole batch; values outside the mask are not read."""

    def use_budget(self, tokens: int) -> None:  # noqa: B027  # most do not depend on it
        """Take the most tokens that a completion may have, when the loss becomes part of a model."""


class TokenMean(Aggregate):
    """Mean over all tokens of the batch: every token weighs the same (DAPO, arXiv:2503.14476, Eq. 8)."""

    def __call__(self, values: Float[Tensor, "row time"], batch: LossInput) -> Float[Tensor, ""]:
        return masked_sum(values, batch.completion_mask) / batch.token_count


class SequenceMean(Aggregate):
    """Mean over completions of the mean over their tokens: every completion weighs the same (GRPO, GSPO)."""

    def __call__(self, values: Float[Tensor, "row time"], batch: LossInput) -> Float[Tensor, ""]:
        return row_mean(values, batch.completion_mask).sum() / batch.sequence_count


class SequenceSum(Aggregate):
    """Mean over completions of the sum over their tokens: a long completion weighs more."""

    def __call__(self, values: Float[Tensor, "row time"], batch: LossInput) -> Float[Tensor, ""]:
        return masked_sum(values, batch.completion_mask) / batch.sequence_count


class SequenceSumNorm(Aggregate):
    """Mean over completions of the sum over their tokens, divided by a length that is the same for all completions.

    Dr. GRPO (arXiv:2503.20783, section 3.2): unlike the mean over a completion's own tokens, this does not make long
    wrong completions cheap.

    Args:
        length: the divisor. None: the generation budget, ``sampling.max_completion_tokens``, the paper's choice, which
            keeps the scale of the gradient from step to step. Outside a model, where no budget is known, the longest
            completion of the batch, which ``LossInput.longest`` carries.
    """

    def __init__(self, length: int | None = None) -> None:
        if length is not None and length < 1:
            raise ValueError(f"length must be at least 1, got {length}; give the token limit of a completion, or null")
        self.length = length
        self._budget: int | None = None

    def use_budget(self, tokens: int) -> None:
        self._budget = tokens

    def __call__(self, values: Float[Tensor, "row time"], batch: LossInput) -> Float[Tensor, ""]:
        total = masked_sum(values, batch.completion_mask) / batch.sequence_count
        return total / (self.length or self._budget or self._longest(batch))

    @staticmethod
    def _longest(batch: LossInput) -> int:
        if batch.longest is not None:
            return batch.longest
        rows, width = batch.completion_mask.shape
        if rows < batch.sequence_count:
            warnings.warn(
                f"SequenceSumNorm divides by the width {width} of a micro-batch of {rows} of {batch.sequence_count} "
                "sequences, which is right only if all of the batch is as wide; set LossInput.longest, or "
                "SequenceSumNorm(length=...)",
                stacklevel=2,
            )
        return width
