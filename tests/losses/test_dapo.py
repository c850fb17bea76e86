"""DAPO by hand: which tokens its wider clip passes, and what a token weighs."""

import pytest

from medix.losses.aggregate import SequenceMean
from medix.losses.dapo import DAPOLoss
from tests.losses.cases import gradient, rows


def test_the_step_of_two_completions() -> None:
    """A = +1 with ratios 1.25 (free), 1.3 (cut to 1.28), 1; A = -1 with ratio 0.7 (cut to 0.8), two positions padded.

    Loss (-1.25 - 1.28 - 1 + 0.8) / 4 = -0.6825; gradient -1.25 / 4, 0, -1 / 4 and 0.
    """
    batch = rows([[1.25, 1.3, 1.0], [0.7, 1.0, 1.0]], [1.0, -1.0], [[True] * 3, [True, False, False]])
    output = DAPOLoss()(batch)
    assert output.loss.item() == pytest.approx(-0.6825)
    assert gradient(output, batch).tolist() == [pytest.approx([-0.3125, 0, -0.25]), pytest.approx([0, 0, 0])]


def test_the_aggregate_can_be_exchanged() -> None:
    """Means (1.25 + 1.28 + 1) / 3 = 1.17667 and -0.8: loss -(1.17667 - 0.8) / 2."""
    batch = rows([[1.25, 1.3, 1.0], [0.7, 1.0, 1.0]], [1.0, -1.0], [[True] * 3, [True, False, False]])
    assert DAPOLoss(aggregate=SequenceMean())(batch).loss.item() == pytest.approx(-(3.53 / 3 - 0.8) / 2)


def test_dual_clip_bounds_the_loss_of_a_bad_token_and_can_be_switched_off() -> None:
    """A = -1, ratio 5: loss 3, without the dual clip 5."""
    assert DAPOLoss()(rows([[5.0]], [-1.0])).loss.item() == pytest.approx(3)
    assert DAPOLoss(dual_clip=None)(rows([[5.0]], [-1.0])).loss.item() == pytest.approx(5)
