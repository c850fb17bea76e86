"""The distance between the rollout engine and the policy."""

import math

import pytest
import torch

from medix.losses.base import LossInput
from medix.modules.mismatch import mismatch, mismatch_means


def test_mismatch_is_the_distance_of_the_engine_from_the_policy_before_the_update() -> None:
    """One token, p = 1/2 under the policy and 1/4 at the engine: KL by k3 is 2 - 1 - ln 2; padding counts nothing."""
    half, quarter = math.log(0.5), math.log(0.25)
    old, rollout = torch.tensor([[half, 7.0]]), torch.tensor([[quarter, -7.0]])
    mask = torch.tensor([[True, False]])
    elsewhere = torch.tensor([[-3.0, 0.0]], requires_grad=True)
    recomputed = LossInput.from_batch(elsewhere, old, torch.ones(1), mask, rollout_logprobs=rollout)
    reported = LossInput.from_batch(
        old.clone().requires_grad_(), rollout, torch.ones(1), mask, rollout_logprobs=rollout
    )
    for batch in (recomputed, reported):
        found = mismatch(batch)
        assert float(found["mismatch_kl"]) == pytest.approx(1 - math.log(2))
        assert float(found["mismatch"]) == pytest.approx(math.log(2))
        assert float(found["mismatch_share"]) == 1
        assert not found["mismatch"].requires_grad


def test_mismatch_is_taken_over_the_completions_that_say_something() -> None:
    """Two completions of one token: the first passed again and is off by 1, the old row of the second is the engine's.

    The policy's present row is off by 3 there. Without dropout that counts: (1 + 3) / 2; with dropout only the first.
    """
    old, rollout = torch.tensor([[-2.0], [-1.0]]), torch.tensor([[-1.0], [-1.0]])
    present = torch.tensor([[-7.0], [-4.0]])
    batch = LossInput.from_batch(
        present, old, torch.ones(2), torch.ones(2, 1, dtype=torch.bool), rollout_logprobs=rollout
    )
    assert float(mismatch(batch)["mismatch"]) == pytest.approx(2)
    dropped = mismatch(batch, has_dropout=True)
    assert float(dropped["mismatch_share"]) == 0.5
    assert float(dropped["mismatch"] / dropped["mismatch_share"]) == pytest.approx(1)


def test_a_mismatch_over_no_token_is_not_a_number() -> None:
    """A quarter of the tokens was compared, and then none."""
    sums = {"loss": 0.5, "mismatch": 0.1, "mismatch_kl": 0.01, "mismatch_share": 0.25}
    assert mismatch_means(sums) == {"loss": 0.5, "mismatch": 0.4, "mismatch_kl": 0.04}
    unknown = mismatch_means(dict.fromkeys(sums, 0.0))
    assert math.isnan(unknown["mismatch"])
    assert math.isnan(unknown["mismatch_kl"])


def test_metrics_of_an_engine_that_reports_nothing_stay_as_they_are() -> None:
    row = torch.zeros(1, 2)
    batch = LossInput.from_batch(row, row, torch.ones(1), torch.ones(1, 2, dtype=torch.bool))
    assert mismatch(batch) == {}
    assert mismatch_means({"loss": 0.5}) == {"loss": 0.5}
