"""A group with everything that an update needs besides the policy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from medix.types import Completion, RolloutGroup

TokenLogprobs = tuple[Tensor, ...]
"""Per-token log-probabilities, one tensor per completion."""


@dataclass(frozen=True)
class TrainingGroup:
    """A scored group with its advantages and its log-probabilities under the old and the reference policy.

    Attributes:
        rollout: the prompt with its completions.
        advantages: one per completion; NaN for one that is unscored.
        old: log-probabilities under the weights before the updates of the step, which the ratio is taken against. None:
            the update has these weights, so that its own pass gives them, and the ratio is exactly 1.
        reference: the same under the reference policy, if the loss or the reward asks for it.
        is_stale: whether older weights sampled it.
        undropped: log-probabilities under the weights before the updates, computed without dropout: ``old`` where there
            is one. None: not computed.
    """

    rollout: RolloutGroup
    advantages: tuple[float, ...]
    old: TokenLogprobs | None = None
    reference: TokenLogprobs | None = None
    is_stale: bool = False
    undropped: TokenLogprobs | None = None

    def rows(self, start: int, stop: int) -> "TrainingGroup":
        """The group with completions ``start`` to ``stop`` only."""
        return self._at(range(start, stop))

    def only(self, wanted: Callable[[Completion, float], bool]) -> "TrainingGroup":
        """The group with those completions only for which ``wanted(completion, advantage)`` is true."""
        pairs = zip(self.rollout.completions, self.advantages, strict=True)
        return self._at([index for index, pair in enumerate(pairs) if wanted(*pair)])

    def _at(self, indices: Sequence[int]) -> "TrainingGroup":
        return replace(
            self,
            rollout=replace(self.rollout, completions=tuple(self.rollout.completions[index] for index in indices)),
            advantages=tuple(self.advantages[index] for index in indices),
            old=_rows(self.old, indices),
            reference=_rows(self.reference, indices),
            undropped=_rows(self.undropped, indices),
        )


def _rows(logprobs: TokenLogprobs | None, indices: Sequence[int]) -> TokenLogprobs | None:
    return None if logprobs is None else tuple(logprobs[index] for index in indices)
