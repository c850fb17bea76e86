"""The divergence from the reference policy as a term of the loss."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor

from medix.losses.base import LossInput
from medix.losses.coefficient import Coefficient
from medix.numerics.divergence import ESTIMATORS, Estimator


class ReferenceKL:
    """coefficient × KL estimate of each token, aggregated like the policy loss it is added to.

    The importance correction of the policy loss does not apply to it. For KL in the reward, see ``RewardKL``.

    Args:
        estimator: ``k3`` is the published one and never negative; ``k2`` has the gradient of the KL; ``k1`` has a
            gradient of mean zero and is better placed in the reward.
        coefficient: its weight, fixed or adaptive.
    """

    def __init__(self, estimator: Estimator, coefficient: Coefficient) -> None:
        check_estimator(estimator)
        self.estimator = estimator
        self.coefficient = coefficient

    def __call__(self, batch: LossInput) -> Float[Tensor, "row time"]:
        """The estimate for every token of a cleaned input, before the coefficient."""
        if batch.reference_logprobs is None:
            raise ValueError(
                "reference_logprobs is None, but the loss has a reference_kl; compute them with the reference policy, "
                "or set reference_kl: null"
            )
        return ESTIMATORS[self.estimator](batch.policy_logprobs, batch.reference_logprobs)

    def update(self, kl: int | float, sequences: int) -> None:
        """Update the coefficient with the divergence of a step (nats per token)."""
        self.coefficient.update(kl, sequences)

    def state_dict(self) -> dict[str, Any]:
        """State that a resumed run needs."""
        return {"coefficient": self.coefficient.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.coefficient.load_state_dict(state["coefficient"])


def check_estimator(estimator: str) -> None:
    """Refuse an unknown estimator; types check specs, but not calls from scripts."""
    if estimator not in ESTIMATORS:
        raise ValueError(f"estimator must be one of {sorted(ESTIMATORS)}, got {estimator!r}")
