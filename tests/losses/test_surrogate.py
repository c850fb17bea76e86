"""Surrogates by hand, one token at a time."""

import math
from typing import Any

import pytest
import torch

from medix.losses.ratio import TokenRatio
from medix.losses.surrogate import ClippedSurrogate, Surrogate, TokenLoss, WeightedLikelihood
from tests.losses.cases import rows


def measure(surrogate: Surrogate, ratio: float, advantage: float) -> tuple[float, float, TokenLoss]:
    """Loss of one token, and its gradient to the log-probability."""
    batch = rows([[ratio]], [advantage])
    clean = batch.cleaned()
    token = surrogate(TokenRatio()(clean), clean)
    (slope,) = torch.autograd.grad(token.value.sum(), batch.policy_logprobs)
    return token.value.item(), slope.item(), token


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.25, 1.0, -1.25, -1.25),  # below the upper bound 1.28: free
        (1.30, 1.0, -1.28, 0.0),  # beyond it: clipped
        (0.50, 1.0, -0.50, -0.5),  # a good token that became unlikely is always pulled back
        (0.85, -1.0, 0.85, 0.85),  # above the lower bound 0.8: free
        (0.75, -1.0, 0.80, 0.0),  # beyond it: clipped
        (1.50, -1.0, 1.50, 1.5),  # a bad token that became likely is always pushed down ...
        (2.90, -2.0, 5.80, 5.8),  # ... up to the dual clip
        (4.00, -2.0, 6.00, 0.0),  # where the loss is bounded by 3 times the advantage
        (4.00, 2.0, -2.56, 0.0),  # the dual clip is for negative advantages only
        (0.10, -2.0, 1.60, 0.0),
        (3.00, 0.0, 0.0, 0.0),  # no advantage, no loss
    ],
)
def test_clipped_surrogate(ratio: float, advantage: float, loss: float, slope: float) -> None:
    value, gradient, _ = measure(ClippedSurrogate(0.2, 0.28, dual_clip=3.0), ratio, advantage)
    assert (value, gradient) == pytest.approx((loss, slope))


def test_clip_higher_passes_gradient_up_to_its_bound() -> None:
    """Ratio 1.25, A = +1: the bound 1.28 passes -1.25, the bound 1.2 nothing."""
    assert measure(ClippedSurrogate(0.2, 0.28, None), 1.25, 1.0)[1] == pytest.approx(-1.25)
    assert measure(ClippedSurrogate(0.2, 0.2, None), 1.25, 1.0)[1] == 0


def test_without_dual_clip_the_loss_of_a_bad_token_grows_with_its_ratio() -> None:
    """Ratio 4, A = -2: loss 8 with gradient 8, in place of 6 without."""
    value, slope, token = measure(ClippedSurrogate(0.2, 0.28, None), 4.0, -2.0)
    assert (value, slope) == pytest.approx((8.0, 8.0))
    assert not token.clipped_dual.any()


@pytest.mark.parametrize(
    ("ratio", "advantage", "marks"),
    [
        (1.3, 1.0, (False, True, False)),
        (0.7, -1.0, (True, False, False)),
        (3.5, -1.0, (False, False, True)),
        (1.3, -1.0, (False, False, False)),  # outside the range, but the clip does not bind
        (0.7, 1.0, (False, False, False)),
        (1.3, 0.0, (False, False, False)),
    ],
)
def test_tokens_are_marked_where_a_bound_took_their_gradient(
    ratio: float, advantage: float, marks: tuple[bool, ...]
) -> None:
    _, slope, token = measure(ClippedSurrogate(0.2, 0.28, 3.0), ratio, advantage)
    assert (token.clipped_low.item(), token.clipped_high.item(), token.clipped_dual.item()) == marks
    assert any(marks) == (slope == 0 and advantage != 0)


@pytest.mark.parametrize(
    ("ratio", "weight", "marks"),
    [(1.1, 1.1, (False, False)), (1.5, 1.28, (False, True)), (0.5, 0.8, (True, False))],
)
@pytest.mark.parametrize("advantage", [0.5, -2.0])
def test_weighted_likelihood_bounds_the_weight_and_keeps_the_gradient(
    ratio: float, weight: float, marks: tuple[bool, bool], advantage: float
) -> None:
    """-w·A·log π, with log π = log ratio - 1; its gradient is -w·A on whichever side of the range."""
    value, slope, token = measure(WeightedLikelihood(0.2, 0.28), ratio, advantage)
    assert value == pytest.approx(-weight * advantage * (math.log(ratio) - 1))
    assert slope == pytest.approx(-weight * advantage)
    assert (token.clipped_low.item(), token.clipped_high.item()) == marks


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clip_low": 0.0}, r"clip_low must lie between 0 and 1, got 0.0.*0.2"),
        ({"clip_low": 1.0}, "clip_low must lie between 0 and 1, got 1.0"),
        ({"clip_low": math.nan}, "clip_low must lie between 0 and 1, got nan"),
        ({"clip_high": -0.1}, r"clip_high must be positive and finite, got -0.1.*0.28"),
        ({"clip_high": math.inf}, "clip_high must be positive and finite, got inf"),
        ({"dual_clip": 1.0}, r"dual_clip must be a number above 1, got 1.0.*null switches it off"),
    ],
)
def test_impossible_bounds_are_named_with_a_remedy(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ClippedSurrogate(**{"clip_low": 0.2, "clip_high": 0.28, "dual_clip": 3.0, **arguments})
    if "dual_clip" not in arguments:
        with pytest.raises(ValueError, match=message):
            WeightedLikelihood(**{"clip_low": 0.2, "clip_high": 0.28, **arguments})
