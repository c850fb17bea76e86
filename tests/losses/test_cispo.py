"""CISPO by hand: the clip bounds the weight of a token, and no token falls silent."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.losses.cispo import CISPOLoss
from tests.losses.cases import gradient, rows


def test_the_step_of_one_completion() -> None:
    """A = 2, ratios 1, 1.5 (cut to 1.28), 0.5 (kept: there is no lower bound); log π is log ratio - 1.

    Loss -2 · (-1 + 1.28 · (log 1.5 - 1) + 0.5 · (log 0.5 - 1)) / 3; gradient -2 / 3 · (1, 1.28, 0.5).
    """
    batch = rows([[1.0, 1.5, 0.5]], [2.0])
    output = CISPOLoss()(batch)
    expected = -2 * (-1 + 1.28 * (math.log(1.5) - 1) + 0.5 * (math.log(0.5) - 1)) / 3
    assert output.loss.item() == pytest.approx(expected)
    assert gradient(output, batch)[0].tolist() == pytest.approx([-2 / 3, -2.56 / 3, -1 / 3])
    assert output.metrics["clip_fraction_high"].item() == pytest.approx(1 / 3)
    assert output.metrics["clip_fraction_low"].item() == 0


def test_a_lower_bound_raises_what_is_below_it() -> None:
    """The same with 0.2: the ratio 0.5 is raised to 0.8."""
    batch = rows([[1.0, 1.5, 0.5]], [2.0])
    output = CISPOLoss(0.2)(batch)
    assert gradient(output, batch)[0].tolist() == pytest.approx([-2 / 3, -2.56 / 3, -1.6 / 3])
    assert output.metrics["clip_fraction_low"].item() == pytest.approx(1 / 3)


@given(st.floats(-8, 8), st.floats(0.01, 5), st.floats(-3, 3))
def test_the_weight_is_the_ratio_up_to_its_bound(log_ratio: float, clip_high: float, advantage: float) -> None:
    ratio = math.exp(log_ratio)
    batch = rows([[ratio]], [advantage])
    slope = gradient(CISPOLoss(clip_high=clip_high)(batch), batch).item()
    assert slope == pytest.approx(-advantage * min(ratio, 1 + clip_high), rel=1e-6, abs=1e-9)


def test_a_clip_low_outside_its_range_is_refused() -> None:
    with pytest.raises(ValueError, match="clip_low must lie between 0 and 1, got 1"):
        CISPOLoss(clip_low=1.0)
