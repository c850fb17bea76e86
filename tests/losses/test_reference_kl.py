"""The KL term of a loss, by hand and against public code."""

import math

import pytest
import torch

from medix.losses.base import LossInput
from medix.losses.coefficient import AdaptiveCoefficient, FixedCoefficient
from medix.losses.dapo import DAPOLoss
from medix.losses.grpo import GRPOLoss
from medix.losses.reference_kl import ReferenceKL
from medix.numerics.divergence import Estimator
from medix.numerics.masking import masked_mean
from tests.losses.cases import RESULTS, golden_batch, gradient, measure, rows


def one_token() -> LossInput:
    """A token without advantage, twice as likely under the policy as under the reference policy."""
    return rows([[1.0]], [0.0], reference_logprobs=torch.tensor([[-1 - math.log(2)]], dtype=torch.float64))


@pytest.mark.parametrize(
    ("estimator", "value", "slope"),
    [
        ("k1", math.log(2), 1.0),
        ("k2", math.log(2) ** 2 / 2, math.log(2)),
        ("k3", 0.5 - 1 + math.log(2), 1 - 0.5),
    ],
)
def test_the_loss_of_a_token_without_advantage_is_its_weighted_divergence(
    estimator: Estimator, value: float, slope: float
) -> None:
    batch = one_token()
    output = DAPOLoss(reference_kl=ReferenceKL(estimator, FixedCoefficient(0.1)))(batch)
    assert output.loss.item() == pytest.approx(0.1 * value)
    assert output.metrics["reference_kl"].item() == pytest.approx(value)
    assert output.metrics["policy_loss"].item() == 0
    assert gradient(output, batch).item() == pytest.approx(0.1 * slope)


@pytest.mark.parametrize("owner", ["verl", "easyr1"])
@pytest.mark.parametrize(("estimator", "name"), [("k1", "kl"), ("k2", "mse"), ("k3", "low_var_kl")])
def test_golden_estimates(owner: str, estimator: Estimator, name: str) -> None:
    batch = golden_batch()
    estimate = ReferenceKL(estimator, FixedCoefficient(1.0))(batch.cleaned())
    assert masked_mean(estimate, batch.completion_mask).item() == pytest.approx(
        RESULTS[f"{owner}.kl[{name}].token_mean"], abs=1e-6
    )


def test_golden_loss_with_divergence_aggregated_like_the_policy_loss() -> None:
    loss = GRPOLoss(0.2, 0.28, reference_kl=ReferenceKL("k3", FixedCoefficient(0.04)))
    assert measure(loss, golden_batch()) == pytest.approx(RESULTS["trl.grpo[token] beta=.04"], abs=1e-6)


def test_the_term_follows_its_adaptive_coefficient() -> None:
    """KL of the step 10 times the target, horizon 100, 50 completions: 1 + 0.2 · 50 / 100 = 1.1 times the weight."""
    loss = DAPOLoss(reference_kl=ReferenceKL("k1", AdaptiveCoefficient(0.5, target=0.1, horizon=100)))
    first = loss(one_token()).loss.item()
    loss.end_step({"reference_kl": 1.0}, sequences=50)
    assert loss(one_token()).loss.item() == pytest.approx(1.1 * first)


def test_missing_reference_logprobs_are_asked_for_by_name() -> None:
    loss = DAPOLoss(reference_kl=ReferenceKL("k3", FixedCoefficient(0.01)))
    assert loss.needs_reference_logprobs
    with pytest.raises(ValueError, match=r"reference_logprobs is None.*reference_kl: null"):
        loss(rows([[1.0]], [1.0]))


def test_an_unknown_estimator_is_refused() -> None:
    with pytest.raises((ValueError, TypeError), match="k4"):
        ReferenceKL("k4", FixedCoefficient(0.01))  # type: ignore[arg-type]


def test_state_goes_with_the_coefficient() -> None:
    first = ReferenceKL("k3", AdaptiveCoefficient(0.5, target=0.1, horizon=100))
    first.update(1.0, 50)
    second = ReferenceKL("k3", AdaptiveCoefficient(0.5, target=0.1, horizon=100))
    second.load_state_dict(first.state_dict())
    assert second.coefficient.value == first.coefficient.value == pytest.approx(0.55)
