"""GRPO advantage, by hand and against public code."""

import json

import pytest
import torch

from medix.advantages.grpo import GRPOAdvantage
from tests.conftest import GOLDEN


def test_the_example_of_the_paper() -> None:
    """Totals .2 .6 .9 .4 .7: mean 0.56, squared deviations sum to 0.292, sample std sqrt(0.073) = 0.27019, so the third
    gets 0.34 / 0.27019 = 1.2584 (and 1.407 with the population std, which the public code does not use)."""
    advantages = GRPOAdvantage()(torch.tensor([[0.2, 0.6, 0.9, 0.4, 0.7]], dtype=torch.float64))
    assert advantages[0, 2].item() == pytest.approx(1.2584, abs=1e-4)


def test_eps_is_added_to_the_standard_deviation() -> None:
    """Totals 0 and 2: std sqrt(2), so ∓1 / (1.41421 + 0.5) = ∓0.52241."""
    advantages = GRPOAdvantage(eps=0.5)(torch.tensor([[0.0, 2.0]]))
    assert advantages[0].tolist() == pytest.approx([-0.52241, 0.52241], abs=1e-5)


def test_eps_must_be_positive() -> None:
    with pytest.raises(ValueError, match=r"eps must be positive, got 0.*1e-6"):
        GRPOAdvantage(eps=0.0)


@pytest.mark.parametrize("row", ["verl.grpo_adv", "easyr1.grpo_adv", "medix.grpo_adv"])
def test_golden(row: str) -> None:
    golden = json.loads((GOLDEN / "group_rl.json").read_text())
    rewards = torch.tensor(golden["input"]["rewards"], dtype=torch.float64).view(2, 4)
    assert GRPOAdvantage()(rewards).flatten().tolist() == pytest.approx(golden["results"][row], abs=1e-9)


def test_golden_composite_rewards() -> None:
    """Components and weights of the reward, summed, then compared within the groups."""
    golden = json.loads((GOLDEN / "group_rl.json").read_text())
    components = torch.tensor(golden["input"]["components"], dtype=torch.float64)
    totals = components @ torch.tensor(golden["input"]["weights"], dtype=torch.float64)
    assert totals.tolist() == pytest.approx(golden["results"]["composite rewards"], abs=1e-12)
    advantages = GRPOAdvantage()(totals.view(2, 4)).flatten().tolist()
    assert advantages == pytest.approx(golden["results"]["composite GRPO adv eps1e-6"], abs=1e-9)
