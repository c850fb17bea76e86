"""RLOO: distance from the mean of the other completions."""

from jaxtyping import Float
from torch import Tensor

from medix.advantages.base import Advantage
from medix.advantages.group import GroupDeviation


class RLOOAdvantage(Advantage):
    """r - mean of the others in the group, the leave-one-out baseline (arXiv:2402.14740, section 3).

    With n scored completions, r_i - (S - r_i) / (n - 1) = n / (n - 1) · (r_i - S / n), which is how it is computed.
    Unscored completions are in no baseline; a completion without another scored one gets 0.

    The loss of the paper is REINFORCE, without ratio and clip: ``ComposedLoss`` of ``TokenRatio``, a
    ``ClippedSurrogate`` and ``SequenceSum``, with one update per step, in which every ratio is 1.
    """

    def __call__(self, totals: Float[Tensor, "prompt completion"]) -> Float[Tensor, "prompt completion"]:
        group = GroupDeviation.of(totals)
        return group.mark_unscored(group.deviation * group.count / (group.count - 1).clamp(min=1))
