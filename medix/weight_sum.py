"""The sum of the weights of a reward suite."""

import math
from collections.abc import Mapping


def check_sum(weights: Mapping[str, float]) -> None:
    """Refuse weights of components that do not sum to 1.

    Raises:
        ValueError: lists the weights, and says how to scale them.
    """
    total = math.fsum(weights.values())
    if abs(total - 1) > 1e-6:
        listed = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
        raise ValueError(
            f"rewards.components: weights must sum to 1, got {total:g} from {listed}; scale them "
            f"(divide each by {total:g}), or move additional terms to rewards.penalties"
        )
