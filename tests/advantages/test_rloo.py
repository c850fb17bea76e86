"""RLOO advantage, by hand and against public code."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from medix.advantages.rloo import RLOOAdvantage
from tests.conftest import GOLDEN


def test_distance_from_the_mean_of_the_others() -> None:
    """1 against (0 + 0.5) / 2 is 0.75; 0 against 0.75 is -0.75; 0.5 against 0.5 is 0."""
    assert RLOOAdvantage()(torch.tensor([[1.0, 0.0, 0.5]]))[0].tolist() == pytest.approx([0.75, -0.75, 0.0])


@given(st.lists(st.one_of(st.floats(-1, 1), st.just(math.nan)), min_size=2, max_size=6))
def test_the_baseline_never_contains_the_completion_itself(totals: list[float]) -> None:
    advantages = RLOOAdvantage()(torch.tensor([totals], dtype=torch.float64))[0].tolist()
    for place, (total, advantage) in enumerate(zip(totals, advantages, strict=True)):
        others = [other for spot, other in enumerate(totals) if spot != place and not math.isnan(other)]
        if not math.isnan(total) and others:
            assert advantage == pytest.approx(total - sum(others) / len(others), abs=1e-12)


@pytest.mark.parametrize("row", ["verl.rloo_adv", "easyr1.rloo_adv", "medix.rloo_adv"])
def test_golden(row: str) -> None:
    golden = json.loads((GOLDEN / "group_rl.json").read_text())
    rewards = torch.tensor(golden["input"]["rewards"], dtype=torch.float64).view(2, 4)
    assert RLOOAdvantage()(rewards).flatten().tolist() == pytest.approx(golden["results"][row], abs=1e-9)
