"""Dr. GRPO advantage, by hand and against public code."""

import json
import math

import pytest
import torch

from medix.advantages.dr_grpo import DrGRPOAdvantage
from tests.conftest import GOLDEN


def test_distance_from_the_mean_of_the_scored() -> None:
    """Mean of 1, 0 and 0.5 is 0.5; the unscored one is not in it."""
    advantages = DrGRPOAdvantage()(torch.tensor([[1.0, 0.0, math.nan, 0.5]]))[0].tolist()
    assert advantages == pytest.approx([0.5, -0.5, math.nan, 0.0], nan_ok=True)


def test_it_scales_with_the_totals() -> None:
    """Unlike GRPO: ten times the spread is ten times the advantage."""
    totals = torch.tensor([[0.0, 0.25, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(DrGRPOAdvantage()(10 * totals), 10 * DrGRPOAdvantage()(totals))


def test_golden() -> None:
    golden = json.loads((GOLDEN / "group_rl.json").read_text())
    rewards = torch.tensor(golden["input"]["rewards"], dtype=torch.float64).view(2, 4)
    expected = golden["results"]["verl.dr_grpo_adv"]
    assert DrGRPOAdvantage()(rewards).flatten().tolist() == pytest.approx(expected, abs=1e-9)
