"""Estimators of the divergence of the policy from another policy, token by token.

With x drawn from π and Δ = log π(x) - log π_ref(x), KL(π‖π_ref) = E[Δ]. Schulman, "Approximating KL divergence" (2020):

    k1 = Δ                    unbiased; of either sign, high variance
    k2 = Δ² / 2               biased, small variance; as a loss its gradient is that of the KL
    k3 = exp(-Δ) - 1 + Δ      unbiased, never negative, small variance

As a *loss*, k1 has an expected gradient of zero (its gradient is the score function), so it belongs in the reward; k2
and k3 work as either.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from jaxtyping import Float
from torch import Tensor

LOG_RATIO_BOUND = 20.0
"""Log-ratios are clamped to this distance from 0 before an exponential: exp(20) is 5e8 and still finite in float32."""

K3_BOUND = 10.0
"""k3 is clamped to this value, as in the public code of MediX-R1; a clamped token has no gradient."""

Estimator = Literal["k1", "k2", "k3"]


def k1(policy: Float[Tensor, "*shape"], reference: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The log-ratio Δ itself."""
    return policy - reference


def k2(policy: Float[Tensor, "*shape"], reference: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Half the squared log-ratio."""
    return 0.5 * (policy - reference).square()


def k3(policy: Float[Tensor, "*shape"], reference: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """exp(-Δ) - 1 + Δ, with -Δ clamped to ±20 and the value to ±10."""
    difference = (reference - policy).clamp(-LOG_RATIO_BOUND, LOG_RATIO_BOUND)
    # expm1: near Δ = 0 the value is about Δ²/2, which exp(x) - x - 1 loses to rounding in float32.
    return (difference.expm1() - difference).clamp(-K3_BOUND, K3_BOUND)


ESTIMATORS: Mapping[Estimator, Callable[[Tensor, Tensor], Tensor]] = MappingProxyType({"k1": k1, "k2": k2, "k3": k3})
