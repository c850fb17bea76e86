"""What a step reports, and what follows from it; ``test_group_rl`` shows it in a run."""

import math
from dataclasses import replace

import pytest
import torch

from medix.losses.coefficient import AdaptiveCoefficient
from medix.losses.dapo import DAPOLoss
from medix.losses.reward_kl import RewardKL
from medix.modules.preparation import Divergence
from medix.modules.step_metrics import adapt_coefficients, check_mismatch, step_metrics
from medix.rollout.engine import StaleEngineError
from medix.types import ScoredGroup
from tests.support.policies import BigramPolicy, group

CPU = torch.device("cpu")


def scored(version: int) -> ScoredGroup:
    return ScoredGroup(replace(group(BigramPolicy(), [1]), policy_version=version), ())


def test_a_step_reports_means_but_sums_skipped_updates_and_takes_the_first_mismatch() -> None:
    """Losses 1 and 3 of the two updates that were made; versions 4, 4, 2 before version 4: (0 + 0 + 2) / 3."""
    made = {"loss": 1.0, "mismatch": 0.1, "mismatch_kl": 0.01, "skipped_updates": 0.0}
    later = {"loss": 3.0, "mismatch": 0.7, "mismatch_kl": 0.07, "skipped_updates": 0.0}
    found = step_metrics([made, {"skipped_updates": 1.0}, later], [scored(4), scored(4), scored(2)], 4, CPU)
    expected = {"loss": 2.0, "mismatch": 0.1, "mismatch_kl": 0.01, "skipped_updates": 1.0, "staleness": 2 / 3}
    assert found == pytest.approx(expected)


def test_a_first_update_that_was_skipped_leaves_the_mismatch_unknown() -> None:
    found = step_metrics([{"skipped_updates": 1.0}, {"mismatch": 0.2, "skipped_updates": 0.0}], [scored(0)], 0, CPU)
    assert math.isnan(found["mismatch"])
    assert math.isnan(found["mismatch_kl"])


def test_a_mismatch_beyond_the_limit_stops_the_run_and_an_unknown_one_does_not() -> None:
    check_mismatch(0.5, 0.5, "LocalEngine", 3)
    check_mismatch(math.nan, 0.5, "LocalEngine", 3)
    with pytest.raises(StaleEngineError, match=r"step 3: log-probabilities of LocalEngine .* by 0\.6 .*: 0\.5 allows"):
        check_mismatch(0.6, 0.5, "LocalEngine", 3)


def test_the_coefficient_of_the_reward_follows_the_divergence_per_token() -> None:
    """3 nats over 30 tokens are 0.1, twice the target: the error is capped at 0.2, and 10 of 100 sequences count."""
    coefficient = AdaptiveCoefficient(initial=0.5, target=0.05, horizon=100)
    reward_kl = RewardKL("k1", coefficient)
    found = adapt_coefficients({"loss": 0.0}, 10, DAPOLoss(), reward_kl, Divergence(3.0, 30.0), CPU)
    assert found == {"reward_kl": pytest.approx(0.1)}
    assert coefficient.value == pytest.approx(0.5 * (1 + 0.2 * 0.1))
    assert adapt_coefficients({"loss": 0.0}, 10, DAPOLoss(), None, None, CPU) == {}
