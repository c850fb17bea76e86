"""What a step reports, and what follows from it; ``test_group_rl`` shows it in a run."""

import math
import warnings
from dataclasses import replace

import pytest
import torch

from medix.losses.coefficient import AdaptiveCoefficient
from medix.losses.dapo import DAPOLoss
from medix.losses.reference_kl import ReferenceKL
from medix.losses.reward_kl import RewardKL
from medix.modules.preparation import Divergence, Prepared
from medix.modules.step_metrics import adapt_coefficients, check_mismatch, made_updates, step_metrics
from medix.rollout.engine import StaleEngineError
from medix.types import ScoredGroup
from tests.support.policies import BigramPolicy, group

CPU = torch.device("cpu")


SKIPPED = {"skipped_updates": 1.0}


def prepared(*versions: int, **mismatch: float) -> Prepared:
    one = group(BigramPolicy(), [1])
    groups = [ScoredGroup(replace(one, policy_version=version), ()) for version in versions]
    return Prepared(groups, [], None, mismatch)


def test_a_step_reports_means_but_sums_skipped_updates() -> None:
    """Losses 1, 3 and 5 of the updates that were made; versions 4, 4, 2 before version 4: (0 + 0 + 2) / 3.

    The second update has groups of older weights only, the first and the third none: means over those that have some.
    """
    made = {"loss": 1.0, "mismatch": 0.1, "mismatch_kl": 0.01, "drift": math.nan, "skipped_updates": 0.0}
    stale = {"loss": 3.0, "mismatch": math.nan, "mismatch_kl": math.nan, "drift": 0.4, "skipped_updates": 0.0}
    last = {"loss": 5.0, "mismatch": 0.3, "mismatch_kl": 0.03, "drift": math.nan, "skipped_updates": 0.0}
    found = step_metrics([made, SKIPPED, stale, last], prepared(4, 4, 2), 5, 4, CPU)
    expected = {"loss": 3.0, "mismatch": 0.2, "mismatch_kl": 0.02, "drift": 0.4, "skipped_updates": 1.0}
    assert found == pytest.approx(expected | {"staleness": 2 / 3, "max_staleness": 2, "dropped_groups": 5})


def test_an_update_that_was_skipped_is_in_no_mean_unless_all_were() -> None:
    """A mismatch of a pass that is not finite says nothing of the engine."""
    broken = SKIPPED | {"loss": math.inf, "mismatch": math.inf, "mismatch_kl": 10.0, "grad_norm": math.nan}
    found = step_metrics([broken, {"loss": 3.0, "grad_norm": 1.0, "skipped_updates": 0.0}], prepared(0), 0, 0, CPU)
    assert (found["loss"], found["grad_norm"], found["skipped_updates"]) == (3.0, 1.0, 1.0)
    assert math.isnan(found["mismatch"])
    assert math.isnan(found["mismatch_kl"])
    found = step_metrics([broken, broken], prepared(0), 0, 0, CPU)
    assert found["loss"] == math.inf
    assert math.isnan(found["grad_norm"])
    assert found["skipped_updates"] == 2.0
    assert made_updates([broken, SKIPPED]) == []


def test_the_mismatch_of_a_probe_replaces_that_of_the_updates() -> None:
    found = step_metrics([{"skipped_updates": 0.0}], prepared(0, mismatch=0.25, mismatch_kl=0.5), 0, 0, CPU)
    assert (found["mismatch"], found["mismatch_kl"]) == (0.25, 0.5)


def test_a_mismatch_beyond_the_limit_stops_the_run_and_an_unknown_one_does_not() -> None:
    check_mismatch({"mismatch": 0.5}, 0.5, math.inf, "LocalEngine", 3)
    check_mismatch({"mismatch": math.nan}, 0.5, math.inf, "LocalEngine", 3)
    with pytest.raises(StaleEngineError, match=r"step 3: log-probabilities of LocalEngine .* by 0\.6 .*: 0\.5 allows"):
        check_mismatch({"mismatch": 0.6}, 0.5, math.inf, "LocalEngine", 3)


def test_an_engine_that_rounds_otherwise_is_told_unless_the_loss_corrects_it() -> None:
    with pytest.warns(UserWarning, match=r"log-probabilities of LocalEngine differ .* rounding .*TruncatedImportance"):
        check_mismatch({"mismatch": 0.01}, 0.5, 2e-4, "LocalEngine", 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_mismatch({"mismatch": 0.01, "drift": 9.0}, 0.5, math.inf, "LocalEngine", 3)


def test_weights_that_moved_far_are_told_where_nothing_else_watches_the_engine() -> None:
    with pytest.warns(UserWarning, match=r"train/drift.*learning rate.*ServedEngine"):
        check_mismatch({"mismatch": math.nan, "drift": 0.6}, 0.5, math.inf, "ServedEngine", 3)


def test_the_coefficient_of_the_reward_follows_the_divergence_per_token() -> None:
    """3 nats over 30 tokens are 0.1, twice the target: the error is capped at 0.2, and 10 of 100 sequences count."""
    coefficient = AdaptiveCoefficient(initial=0.5, target=0.05, horizon=100)
    reward_kl = RewardKL("k1", coefficient)
    found = adapt_coefficients({"loss": 0.0}, 10, DAPOLoss(), reward_kl, Divergence(3.0, 30.0), CPU)
    assert found == {"reward_kl": pytest.approx(0.1)}
    assert coefficient.value == pytest.approx(0.5 * (1 + 0.2 * 0.1))
    assert adapt_coefficients({"loss": 0.0}, 10, DAPOLoss(), None, None, CPU) == {}


@pytest.mark.parametrize("nats", [3.0, math.nan, math.inf])
@pytest.mark.parametrize("sequences", [0, 10])
def test_a_step_that_is_not_finite_or_was_skipped_adapts_nothing(nats: float, sequences: int) -> None:
    coefficients = [AdaptiveCoefficient(initial=0.5, target=0.05, horizon=100) for _ in range(2)]
    loss = DAPOLoss(reference_kl=ReferenceKL("k3", coefficients[0]))
    reward_kl = RewardKL("k1", coefficients[1])
    found = adapt_coefficients({"reference_kl": nats / 30}, sequences, loss, reward_kl, Divergence(nats, 30.0), CPU)
    assert found["reward_kl"] == pytest.approx(nats / 30, nan_ok=True), "it is reported all the same"
    expected = 0.5 * (1 + 0.2 * 0.1) if sequences and math.isfinite(nats) else 0.5
    assert [one.value for one in coefficients] == pytest.approx([expected, expected])


def test_a_step_without_tokens_has_no_divergence() -> None:
    reward_kl = RewardKL("k1", AdaptiveCoefficient(initial=0.5, target=0.05, horizon=100))
    found = adapt_coefficients({}, 10, DAPOLoss(), reward_kl, Divergence(0.0, 0.0), CPU)
    assert math.isnan(found["reward_kl"])
    assert reward_kl.coefficient.value == 0.5
