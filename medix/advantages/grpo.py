"""GRPO: distance from the group's mean in units of its spread."""

from jaxtyping import Float
from torch import Tensor

from medix.advantages.base import Advantage
from medix.advantages.group import GroupDeviation


class GRPOAdvantage(Advantage):
    """(r - mean) / (std + eps) within the group (DeepSeekMath, arXiv:2402.03300, section 4.1.2).

    The spread is the sample standard deviation (n - 1), as in the public code of MediX-R1. Differs: a group whose
    totals are all equal gets exactly 0, and unscored completions are excluded from mean, spread and count. The
    advantage of GRPO, DAPO, GSPO and CISPO.

    Args:
        eps: added to the standard deviation, so that a tiny spread is not blown up.
    """

    def __init__(self, eps: float = 1e-6) -> None:
        if not eps > 0:
            raise ValueError(f"eps must be positive, got {eps}; 1e-6 is the published value")
        self.eps = eps

    def __call__(self, totals: Float[Tensor, "prompt completion"]) -> Float[Tensor, "prompt completion"]:
        group = GroupDeviation.of(totals)
        variance = group.deviation.square().sum(dim=1, keepdim=True) / (group.count - 1).clamp(min=1)
        return group.mark_unscored(group.deviation / (variance.sqrt() + self.eps))
