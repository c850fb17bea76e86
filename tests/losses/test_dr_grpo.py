"""Dr. GRPO by hand: one divisor for short and long completions."""

import pytest

from medix.losses.aggregate import SequenceSumNorm
from medix.losses.dr_grpo import DrGRPOLoss
from tests.losses.cases import gradient, rows


def test_the_step_of_two_completions() -> None:
    """A = +1 with ratios 1.25 (cut to 1.2), 1.1, 1; A = -1 with ratio 0.9 and two positions padded; longest 3.

    Loss (-(1.2 + 1.1 + 1) + 0.9) / 2 / 3 = -0.4; gradient 0, -1.1 / 6, -1 / 6 and 0.9 / 6.
    """
    batch = rows([[1.25, 1.1, 1.0], [0.9, 1.0, 1.0]], [1.0, -1.0], [[True] * 3, [True, False, False]])
    output = DrGRPOLoss()(batch)
    assert output.loss.item() == pytest.approx(-0.4)
    assert gradient(output, batch).tolist() == [pytest.approx([0, -1.1 / 6, -1 / 6]), pytest.approx([0.15, 0, 0])]


def test_a_fixed_length_is_the_divisor() -> None:
    batch = rows([[1.0, 1.0, 1.0]], [-1.0])
    assert DrGRPOLoss(aggregate=SequenceSumNorm(length=100))(batch).loss.item() == pytest.approx(3 / 100)


def test_a_token_of_a_long_wrong_completion_costs_as_much_as_one_of_a_short() -> None:
    batch = rows([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]], [-1.0, -1.0], [[True] * 3, [True, False, False]])
    slope = gradient(DrGRPOLoss()(batch), batch)
    assert slope[batch.completion_mask].tolist() == pytest.approx([1 / 6] * 4)
