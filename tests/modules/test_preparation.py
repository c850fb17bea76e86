"""Groups made ready for training, by hand on a policy of one matrix."""

import math
from dataclasses import replace

import pytest
import torch

from medix.advantages.base import Advantage
from medix.advantages.dr_grpo import DrGRPOAdvantage
from medix.losses.coefficient import FixedCoefficient
from medix.losses.dapo import DAPOLoss
from medix.losses.importance import TruncatedImportance
from medix.losses.reference_kl import ReferenceKL
from medix.losses.reward_kl import RewardKL
from medix.modules.preparation import Preparation, Prepared, check_logprobs
from medix.modules.update import Update
from medix.rollout.engine import RolloutError, Sampling
from medix.rollout.local import LocalEngine
from medix.types import CompletionScores, ScoredGroup
from tests.support.policies import BigramPolicy, group

TOTALS = [(1.0, 0.0), (0.25, math.nan)]


def prepared(
    loss: DAPOLoss | None = None,
    reward_kl: RewardKL | None = None,
    prompts_per_update: int = 1,
    advantage: Advantage | None = None,
) -> Prepared:
    policy = BigramPolicy()
    groups = [
        ScoredGroup(group(policy, [3, 1], seed=seed), tuple(CompletionScores(total, {}) for total in totals))
        for seed, totals in enumerate(TOTALS)
    ]
    engine = LocalEngine(Sampling(completions_per_prompt=2))
    advantage = advantage or DrGRPOAdvantage()
    made = Preparation(policy, engine, loss or DAPOLoss(), Update(prompts_per_update), advantage, reward_kl)
    return made(groups, torch.device("cpu"))


def test_groups_get_advantages_and_old_rows_and_no_reference_unless_asked() -> None:
    """Totals 1 and 0: their mean is 1/2; a single scored completion has no advantage over itself."""
    made = prepared()
    assert made.groups[0].advantages == (0.5, -0.5)
    assert made.groups[1].advantages[0] == 0.0
    assert math.isnan(made.groups[1].advantages[1])
    first, second = made.groups
    assert first.old is None, "the first update has the weights before the step"
    assert second.old is not None
    for row, completion in zip(second.old, second.rollout.completions, strict=True):
        torch.testing.assert_close(row, torch.tensor(completion.logprobs))
    assert [one.reference for one in made.groups] == [None, None]
    assert [one.is_stale for one in made.groups] == [False, False]
    assert made.mismatch == {}
    assert made.divergence is None
    assert [one.rollout for one in made.scored] == [one.rollout for one in made.groups]


def test_a_loss_with_a_divergence_gets_reference_rows() -> None:
    made = prepared(DAPOLoss(reference_kl=ReferenceKL("k3", FixedCoefficient(0.1))))
    assert [[len(row) for row in one.reference or ()] for one in made.groups] == [[3, 1], [3, 1]]
    assert made.divergence is None


@pytest.mark.parametrize("prompts_per_update", [1, 2])
def test_a_penalty_lowers_totals_by_the_summed_divergence_of_each_completion(prompts_per_update: int) -> None:
    """k1 with coefficient 0.1: present minus reference, summed over the tokens of a completion."""
    made = prepared(reward_kl=RewardKL("k1", FixedCoefficient(0.1)), prompts_per_update=prompts_per_update)
    first = made.groups[0]
    assert first.old is None
    assert first.reference is not None
    present = [torch.tensor(one.logprobs) for one in first.rollout.completions]
    nats = [float((own - reference).sum()) for own, reference in zip(present, first.reference, strict=True)]
    lowered = [total - 0.1 * paid for total, paid in zip(TOTALS[0], nats, strict=True)]
    mean = sum(lowered) / 2
    assert first.advantages == pytest.approx([total - mean for total in lowered], abs=1e-6)
    assert made.divergence is not None
    assert made.divergence.tokens == 8
    total = sum(
        float((torch.tensor(completion.logprobs) - row).sum())
        for one in made.groups
        for completion, row in zip(one.rollout.completions, one.reference or (), strict=True)
    )
    assert made.divergence.nats == pytest.approx(total, abs=1e-5)


def test_a_loss_with_a_correction_refuses_an_engine_without_log_probabilities() -> None:
    """NaN would make every update of the step skip, without a word why."""
    silent = group(BigramPolicy(), [2, 1])
    completions = (silent.completions[0], replace(silent.completions[1], logprobs=(math.nan,)))
    groups = [ScoredGroup(replace(silent, completions=completions), ())]
    engine = LocalEngine(Sampling(completions_per_prompt=2))
    check_logprobs(groups, DAPOLoss(), engine)
    with pytest.raises(RolloutError, match=r"LocalEngine reported no .* sample 's0', .* loss\.importance: null"):
        check_logprobs(groups, DAPOLoss(importance=TruncatedImportance()), engine)


def test_an_advantage_that_loses_a_group_ends_the_step() -> None:
    class Plain(Advantage):
        def __call__(self, totals: torch.Tensor) -> torch.Tensor:
            return totals - totals.mean(dim=1, keepdim=True)

    with pytest.raises(ValueError, match=r"model\.advantage: Plain returned \[nan, nan\]"):
        prepared(advantage=Plain())
