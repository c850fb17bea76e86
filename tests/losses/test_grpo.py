"""GRPO by hand: a symmetric clip, and completions that weigh the same."""

import pytest

from medix.losses.grpo import GRPOLoss
from tests.losses.cases import gradient, rows


def test_the_step_of_two_completions() -> None:
    """A = +1 with ratios 1.25 (cut to 1.2), 1.1, 1; A = -1 with ratio 0.9 and two positions padded.

    Loss (-(1.2 + 1.1 + 1) / 3 + 0.9) / 2 = -0.1; gradient 0, -1.1 / 6, -1 / 6 and 0.9 / 2.
    """
    batch = rows([[1.25, 1.1, 1.0], [0.9, 1.0, 1.0]], [1.0, -1.0], [[True] * 3, [True, False, False]])
    output = GRPOLoss()(batch)
    assert output.loss.item() == pytest.approx(-0.1)
    assert gradient(output, batch).tolist() == [pytest.approx([0, -1.1 / 6, -1 / 6]), pytest.approx([0.45, 0, 0])]


def test_a_repeated_token_does_not_make_a_completion_heavier() -> None:
    short = GRPOLoss()(rows([[1.1, 1.0], [0.9, 1.0]], [1.0, -1.0], [[True, False]] * 2))
    long = GRPOLoss()(rows([[1.1, 1.1], [0.9, 1.0]], [1.0, -1.0], [[True, True], [True, False]]))
    assert long.loss.item() == pytest.approx(short.loss.item())
