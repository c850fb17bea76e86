"""Advantages of a subset of each group."""

import math

import pytest
import torch
from torch import Tensor

from medix.advantages.dr_grpo import DrGRPOAdvantage
from medix.advantages.grpo import GRPOAdvantage
from medix.advantages.max_variance_subset import MaxVarianceSubset
from medix.advantages.subset import Subset, advantages_of

TOTALS = torch.tensor([[0.0, 0.4, 1.0, 0.6]], dtype=torch.float64)
ALL = torch.ones(1, 4, dtype=torch.bool)


def test_over_the_subset_the_mean_is_that_of_what_is_trained() -> None:
    """Of 0, 0.4, 1 and 0.6 two are kept, 0 and 1: mean 0.5."""
    found = advantages_of(DrGRPOAdvantage(), MaxVarianceSubset(2), TOTALS, ALL)[0].tolist()
    assert found == pytest.approx([-0.5, math.nan, 0.5, math.nan], nan_ok=True)


def test_over_the_group_mean_and_spread_are_those_of_all() -> None:
    """Mean 0.5, squared deviations 0.25 + 0.01 + 0.25 + 0.01 = 0.52 over 3: std 0.41633, so 0 gets -1.20096."""
    found = advantages_of(GRPOAdvantage(), MaxVarianceSubset(2, advantage_over="group"), TOTALS, ALL)[0].tolist()
    assert found == pytest.approx([-1.20096, math.nan, 1.20096, math.nan], abs=1e-4, nan_ok=True)


def test_without_a_subset_every_scored_completion_is_trained() -> None:
    totals = torch.tensor([[0.0, math.nan, 1.0]], dtype=torch.float64)
    found = advantages_of(DrGRPOAdvantage(), None, totals, torch.ones(1, 3, dtype=torch.bool))[0].tolist()
    assert found == pytest.approx([-0.5, math.nan, 0.5], nan_ok=True)


def test_what_may_not_be_trained_is_not_chosen_and_still_counts_in_the_group() -> None:
    """The 1 was cut. Of 0, 0.4 and 0.6 the subset is 0 and 0.6, with the mean 0.3; that of the group stays 0.5."""
    may_train = torch.tensor([[True, True, False, True]])
    found = advantages_of(DrGRPOAdvantage(), MaxVarianceSubset(2), TOTALS, may_train)[0].tolist()
    assert found == pytest.approx([-0.3, math.nan, math.nan, 0.3], nan_ok=True)
    found = advantages_of(DrGRPOAdvantage(), MaxVarianceSubset(2, "group"), TOTALS, may_train)[0].tolist()
    assert found == pytest.approx([-0.5, math.nan, math.nan, 0.1], nan_ok=True)


def test_a_subset_of_ones_own_that_takes_unscored_completions_is_refused() -> None:
    class Everything(Subset):
        def choose(self, totals: Tensor) -> Tensor:
            return torch.ones_like(totals, dtype=torch.bool)

        def count(self, completions: int) -> int:
            return completions

    totals = torch.tensor([[0.0, math.nan]], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"model\.subset: Everything chose completions that have no total"):
        advantages_of(DrGRPOAdvantage(), Everything(), totals, torch.ones(1, 2, dtype=torch.bool))
