"""Estimators of divergence, against their exact expectations."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medix.numerics.divergence import ESTIMATORS, k1, k2, k3

LOGITS = st.lists(st.floats(-3, 3), min_size=4, max_size=4)


def log_softmax(logits: list[float]) -> torch.Tensor:
    return torch.tensor(logits, dtype=torch.float64).log_softmax(0)


def test_estimates_where_the_policy_is_twice_as_likely() -> None:
    """Δ = log 2: k1 = 0.6931, k2 = 0.4805 / 2 = 0.2402, k3 = 1/2 - 1 + 0.6931 = 0.1931."""
    policy, reference = torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.25)])
    assert k1(policy, reference).item() == pytest.approx(0.6931, abs=1e-4)
    assert k2(policy, reference).item() == pytest.approx(0.2402, abs=1e-4)
    assert k3(policy, reference).item() == pytest.approx(0.1931, abs=1e-4)


def test_k3_is_clamped_at_ten_and_has_no_gradient_there() -> None:
    """At Δ = -3, exp(3) - 1 - 3 = 16.1 is cut to 10; at Δ = -2, exp(2) - 1 - 2 = 4.389 with gradient 1 - exp(2)."""
    policy = torch.tensor([-4.0, -3.0, -400.0], requires_grad=True)
    value = k3(policy, torch.tensor([-1.0, -1.0, -1.0]))
    value.sum().backward()
    assert value.tolist() == pytest.approx([10, math.exp(2) - 3, 10])
    assert policy.grad is not None
    assert policy.grad.tolist() == pytest.approx([0, 1 - math.exp(2), 0])


def test_k3_keeps_tiny_divergences_in_float32() -> None:
    """At Δ = 1e-3 the value is 5e-7, below the rounding of exp(Δ) in float32."""
    reference = torch.tensor([-1.0])
    policy = reference + 1e-3
    exact = k3(policy.double(), reference.double()).item()
    assert k3(policy, reference).item() == pytest.approx(exact, rel=1e-3)


@given(LOGITS, LOGITS)
def test_k1_and_k3_have_the_divergence_as_their_mean(policy: list[float], reference: list[float]) -> None:
    p, r = log_softmax(policy), log_softmax(reference)
    divergence = (p.exp() * (p - r)).sum().item()
    assert (p.exp() * k1(p, r)).sum().item() == pytest.approx(divergence, abs=1e-12)
    if (r - p).max() < 2.5:  # exp(2.5) - 3.5 < 10: beyond, k3 is clamped and biased
        assert (p.exp() * k3(p, r)).sum().item() == pytest.approx(divergence, abs=1e-12)


@given(LOGITS, LOGITS)
def test_as_a_loss_k2_has_the_gradient_of_the_divergence_and_k1_has_none(
    policy: list[float], reference: list[float]
) -> None:
    logits = torch.tensor(policy, dtype=torch.float64, requires_grad=True)
    p, r = logits.log_softmax(0), log_softmax(reference)
    weights = p.exp().detach()  # samples come from the policy, and sampling is not differentiated

    def gradient(value: torch.Tensor) -> list[float]:
        return torch.autograd.grad(value, logits, retain_graph=True)[0].tolist()

    exact = gradient((p.exp() * (p - r)).sum())
    assert gradient((weights * k2(p, r)).sum()) == pytest.approx(exact, abs=1e-12)
    assert gradient((weights * k1(p, r)).sum()) == pytest.approx([0] * 4, abs=1e-12)


@given(LOGITS, LOGITS)
def test_k2_and_k3_are_never_negative_and_nothing_diverges_from_itself(a: list[float], b: list[float]) -> None:
    p, r = log_softmax(a), log_softmax(b)
    assert (k2(p, r) >= 0).all()
    assert (k3(p, r) >= 0).all()
    for estimator in ESTIMATORS.values():
        assert not estimator(p, p).any()
