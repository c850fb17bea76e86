"""Dr. GRPO: distance from the group's mean, not divided by its spread."""

from jaxtyping import Float
from torch import Tensor

from medix.advantages.base import Advantage
from medix.advantages.group import GroupDeviation


class DrGRPOAdvantage(Advantage):
    """r - mean within the group (arXiv:2503.20783, section 3.2).

    Without the division by the spread, prompts that are nearly always or nearly never answered do not weigh more than
    the others. Unscored completions are excluded from the mean. Belongs with ``DrGRPOLoss``.
    """

    def __call__(self, totals: Float[Tensor, "prompt completion"]) -> Float[Tensor, "prompt completion"]:
        group = GroupDeviation.of(totals)
        return group.mark_unscored(group.deviation)
