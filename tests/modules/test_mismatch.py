"""The distance between the rollout engine and the policy."""

import math
from dataclasses import replace

import pytest
import torch

from medix.losses.base import LossInput
from medix.modules.mismatch import mismatch, mismatch_means, probed_mismatch
from tests.support.policies import BigramPolicy, group


def test_mismatch_is_the_distance_of_the_engine_from_the_policy_before_the_update() -> None:
    """One token, p = 1/2 under the policy and 1/4 at the engine: KL by k3 is 2 - 1 - ln 2; padding counts nothing."""
    half, quarter = math.log(0.5), math.log(0.25)
    old, rollout = torch.tensor([[half, 7.0]]), torch.tensor([[quarter, -7.0]])
    mask = torch.tensor([[True, False]])
    elsewhere = torch.tensor([[-3.0, 0.0]], requires_grad=True)
    found = mismatch(LossInput.from_batch(elsewhere, old, torch.ones(1), mask, rollout_logprobs=rollout))
    assert float(found["mismatch_kl"]) == pytest.approx(1 - math.log(2))
    assert float(found["mismatch"]) == pytest.approx(math.log(2))
    assert float(found["mismatch_share"]) == 1
    assert not found["mismatch"].requires_grad


@pytest.mark.parametrize("unknown", [math.nan, -math.inf])
def test_tokens_that_the_engine_says_nothing_of_are_left_out(unknown: float) -> None:
    """Of three tokens the engine reports two, off by 1 and 3: (1 + 3) / 2."""
    old, rollout = torch.tensor([[-2.0, -4.0, -1.0]]), torch.tensor([[-1.0, -1.0, unknown]])
    batch = LossInput.from_batch(old, old, torch.ones(1), torch.ones_like(old).bool(), rollout_logprobs=rollout)
    found = {name: float(value) for name, value in mismatch(batch).items()}
    assert found["mismatch_share"] == pytest.approx(2 / 3)
    assert mismatch_means(found)["mismatch"] == pytest.approx(2)


def test_completions_of_older_weights_are_reported_apart() -> None:
    """Fresh, off by 1; stale, off by 3 and 5. A pass without dropout, at -2, counts instead of the old one."""
    rollout = torch.tensor([[-1.0, 0.0], [1.0, 3.0]])
    mask = torch.tensor([[True, False], [True, True]])
    old, undropped = torch.full((2, 2), -9.0), torch.full((2, 2), -2.0)
    batch = LossInput.from_batch(old, old, torch.ones(2), mask, rollout_logprobs=rollout)
    found = mismatch(replace(batch, undropped_logprobs=undropped), torch.tensor([False, True]))
    means = mismatch_means({name: float(value) for name, value in found.items()})
    assert means == pytest.approx({"mismatch": 1, "mismatch_kl": math.exp(-1) + 1 - 1, "drift": 4})


def test_a_probe_has_the_means_of_an_update() -> None:
    """Completions of 2 and 1 tokens, all off by 0.5, and one that the engine reported nothing of."""
    policy = BigramPolicy()
    known, unknown = group(policy, [2, 1]), group(policy, [4])
    unknown = replace(unknown, completions=(replace(unknown.completions[0], logprobs=()),))
    rows = [tuple(torch.tensor(one.logprobs) + 0.5 for one in known.completions), (torch.zeros(4),)]
    found = probed_mismatch([known, unknown], rows, torch.device("cpu"))
    assert found == pytest.approx({"mismatch": 0.5, "mismatch_kl": math.exp(0.5) - 1 - 0.5}, abs=1e-6)
    assert math.isnan(probed_mismatch([unknown], [(torch.zeros(4),)], torch.device("cpu"))["mismatch"])


def test_a_mismatch_over_no_token_is_not_a_number() -> None:
    """A quarter of the tokens was compared, and then none."""
    sums = {"loss": 0.5, "mismatch": 0.1, "mismatch_kl": 0.01, "mismatch_share": 0.25}
    assert mismatch_means(sums) == {"loss": 0.5, "mismatch": 0.4, "mismatch_kl": 0.04}
    unknown = mismatch_means(dict.fromkeys([*sums, "drift", "drift_share"], 0.0))
    assert math.isnan(unknown["drift"])
    assert math.isnan(unknown["mismatch"])
    assert math.isnan(unknown["mismatch_kl"])


def test_metrics_of_an_engine_that_reports_nothing_stay_as_they_are() -> None:
    row = torch.zeros(1, 2)
    batch = LossInput.from_batch(row, row, torch.ones(1), torch.ones(1, 2, dtype=torch.bool))
    assert mismatch(batch) == {}
    assert mismatch_means({"loss": 0.5}) == {"loss": 0.5}
