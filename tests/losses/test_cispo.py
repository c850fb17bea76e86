"""CISPO by hand: the clip bounds the weight of a token, and no token falls silent."""

import math

import pytest

from medix.losses.cispo import CISPOLoss
from tests.losses.cases import gradient, rows


def test_the_step_of_one_completion() -> None:
    """A = 2, ratios 1, 1.5 (cut to 1.28), 0.5 (raised to 0.8); log π is log ratio - 1.

    Loss -2 · (-1 + 1.28 · (log 1.5 - 1) + 0.8 · (log 0.5 - 1)) / 3; gradient -2 / 3 · (1, 1.28, 0.8).
    """
    batch = rows([[1.0, 1.5, 0.5]], [2.0])
    output = CISPOLoss()(batch)
    expected = -2 * (-1 + 1.28 * (math.log(1.5) - 1) + 0.8 * (math.log(0.5) - 1)) / 3
    assert output.loss.item() == pytest.approx(expected)
    assert gradient(output, batch)[0].tolist() == pytest.approx([-2 / 3, -2.56 / 3, -1.6 / 3])
    assert output.metrics["clip_fraction_high"].item() == pytest.approx(1 / 3)
    assert output.metrics["clip_fraction_low"].item() == pytest.approx(1 / 3)


def test_a_clip_low_near_one_is_the_one_sided_form_of_the_paper() -> None:
    batch = rows([[0.01]], [1.0])
    output = CISPOLoss(clip_low=0.999)(batch)
    assert gradient(output, batch).item() == pytest.approx(-0.01)
