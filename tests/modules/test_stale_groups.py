"""Who sampled a group: the present weights, with a ratio of exactly 1, or older ones, with an importance weight."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch

from medix.advantages.dr_grpo import DrGRPOAdvantage
from medix.losses.base import GroupLoss, LossInput, LossOutput
from medix.losses.cispo import CISPOLoss
from medix.losses.composed import ComposedLoss
from medix.losses.dapo import DAPOLoss
from medix.losses.dr_grpo import DrGRPOLoss
from medix.losses.grpo import GRPOLoss
from medix.losses.gspo import GSPOLoss, GSPOTokenLoss
from medix.losses.importance import (
    ImportanceCorrection,
    MaskedImportance,
    SequenceMaskedImportance,
    TruncatedImportance,
)
from medix.modules.group_rl import GroupRLModule
from medix.modules.preparation import Preparation
from medix.modules.training_group import TrainingGroup
from medix.modules.update import Update
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.format import FormatReward
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.types import CompletionScores, RolloutGroup, ScoredGroup
from tests.modules.test_update import Module
from tests.support.policies import VOCABULARY, BigramPolicy, group

EVERY_LOSS = pytest.mark.parametrize(
    "kind", [DAPOLoss, GRPOLoss, DrGRPOLoss, GSPOLoss, GSPOTokenLoss, CISPOLoss], ids=lambda kind: kind.__name__
)
CPU = torch.device("cpu")


def recorded(made: RolloutGroup, *shifts: float, version: int = 0) -> RolloutGroup:
    """The group as an engine records it that gives token i the policy's log-probability plus a shift."""
    completions = [
        replace(one, logprobs=tuple(p + shifts[i % len(shifts)] for i, p in enumerate(one.logprobs)))
        for one in made.completions
    ]
    return replace(made, completions=tuple(completions), policy_version=version)


def gradient(
    loss: Any, groups: Sequence[TrainingGroup], correction: ImportanceCorrection | None = None
) -> tuple[torch.Tensor, dict[str, float]]:
    """The gradient on the policy's matrix, and the metrics."""
    module = Module(loss)
    update = Update(prompts_per_update=len(groups), stale_importance=correction)
    metrics = update.accumulate(module, groups)  # type: ignore[arg-type]
    assert module.policy.scores.grad is not None
    return module.policy.scores.grad, metrics


def by_hand(one: RolloutGroup, advantage: float, weights: Sequence[float]) -> torch.Tensor:
    """-A / T times the sum over the tokens of a completion of weight · (onehot - softmax), in the row before each."""
    scores = BigramPolicy().scores.detach()
    found = torch.zeros_like(scores)
    tokens = one.completions[0].token_ids
    for before, token, weight in zip((one.prompt.token_ids[-1], *tokens), tokens, weights, strict=False):
        found[before] -= advantage / len(tokens) * weight * (torch.eye(VOCABULARY)[token] - scores[before].softmax(-1))
    return found


def test_the_gradient_of_an_older_group_carries_the_truncated_weight_of_each_token() -> None:
    """One completion of three tokens, advantage 2. The weights that sampled it gave them 2/3, 1/4 and 2 times the
    present probability: weights 1.5, 4 and 0.5, of which the second is truncated at 2. The ratio is 1, nothing is
    clipped: token i adds -2/3 · w_i · (onehot - softmax). As if the present weights had sampled it: all w_i = 1."""
    one = recorded(group(BigramPolicy(), [3]), -math.log(1.5), -math.log(4), math.log(2))
    found, metrics = gradient(DAPOLoss(), [TrainingGroup(one, (2.0,), is_stale=True)])
    torch.testing.assert_close(found, by_hand(one, 2.0, (1.5, 2.0, 0.5)))
    assert metrics["ratio"] == 1.0
    assert metrics["clip_fraction_high"] == 0.0
    assert metrics["importance_weight"] == pytest.approx(4 / 3)
    assert metrics["importance_bounded"] == pytest.approx(1 / 3)
    fresh, metrics = gradient(DAPOLoss(), [TrainingGroup(one, (2.0,))])
    torch.testing.assert_close(fresh, by_hand(one, 2.0, (1.0, 1.0, 1.0)))
    assert (metrics["importance_weight"], metrics["importance_bounded"]) == (1.0, 0.0)


@pytest.mark.parametrize(
    ("correction", "weights"),
    [
        (TruncatedImportance(high=3.0), (1.5, 3.0, 0.5)),
        (TruncatedImportance(low=0.8, high=1.0), (1.0, 1.0, 0.8)),
        (MaskedImportance(0.6, 3.0), (1.5, 0.0, 0.0)),
        (SequenceMaskedImportance(0.5, 2.0, cap=2.0), (1.5, 2.0, 0.5)),
        (SequenceMaskedImportance(0.5, 1.1, cap=2.0), (0.0, 0.0, 0.0)),
    ],
)
def test_the_spec_chooses_how_the_weights_are_bounded(
    correction: ImportanceCorrection, weights: Sequence[float]
) -> None:
    """Weights 1.5, 4 and 0.5, with a geometric mean of 3^(1/3) = 1.44."""
    one = recorded(group(BigramPolicy(), [3]), -math.log(1.5), -math.log(4), math.log(2))
    found, _ = gradient(DAPOLoss(), [TrainingGroup(one, (2.0,), is_stale=True)], correction)
    torch.testing.assert_close(found, by_hand(one, 2.0, weights))


def test_over_all_that_older_weights_may_sample_the_gradient_is_that_of_the_present_policy() -> None:
    """Completions of one token, reward r(x) = x. Drawn with probability μ(x) and weighted by π(x) / μ(x), here within
    the bounds, the expected gradient is that of -Σ π(x) r(x). Unweighted it would be that of μ."""
    policy = BigramPolicy()
    prompt = group(policy, [1])
    row = prompt.prompt.token_ids[-1]
    mu = (
        policy.scores.detach()[row] + 0.3 * torch.randn(VOCABULARY, generator=torch.Generator().manual_seed(1))
    ).softmax(-1)
    expected = torch.zeros(VOCABULARY, VOCABULARY)
    for token in range(VOCABULARY):
        written = replace(prompt.completions[0], token_ids=(token,), logprobs=(float(mu[token].log()),))
        one = TrainingGroup(replace(prompt, completions=(written,)), (float(token),), is_stale=True)
        found, metrics = gradient(DAPOLoss(), [one], TruncatedImportance(high=100.0))
        assert metrics["importance_bounded"] == 0.0
        expected += mu[token] * found
    scores = policy.scores.detach().clone().requires_grad_()
    (-(scores[row].softmax(-1) * torch.arange(VOCABULARY)).sum()).backward()
    assert scores.grad is not None
    torch.testing.assert_close(expected, scores.grad)


def test_only_the_completions_of_older_weights_are_weighted() -> None:
    """Both groups were recorded at 2/3 of the present probability; the older one's tokens count 1.5 times."""
    fresh, old = (recorded(group(BigramPolicy(), [2], seed=seed), -math.log(1.5)) for seed in (1, 2))
    found, _ = gradient(DAPOLoss(), [TrainingGroup(fresh, (1.0,)), TrainingGroup(old, (-1.0,), is_stale=True)])
    torch.testing.assert_close(found, (by_hand(fresh, 1.0, (1.0, 1.0)) + by_hand(old, -1.0, (1.5, 1.5))) / 2)


@EVERY_LOSS
def test_a_loss_with_a_correction_of_its_own_applies_it_once(kind: Any) -> None:
    """Its weights are π_old / μ for all completions, of whatever age: staleness adds nothing."""
    one = recorded(group(BigramPolicy(), [3, 2]), -math.log(1.5), 0.1)
    loss = kind(importance=TruncatedImportance())
    old, metrics = gradient(loss, [TrainingGroup(one, (1.0, -1.0), is_stale=True)])
    fresh, same = gradient(loss, [TrainingGroup(one, (1.0, -1.0))])
    plain, _ = gradient(kind(), [TrainingGroup(one, (1.0, -1.0))])
    assert torch.equal(old, fresh)
    assert metrics.pop("drift") == same.pop("mismatch") > 0
    told_apart = {"drift", "mismatch", "mismatch_kl"}
    assert {k: v for k, v in metrics.items() if k not in told_apart} == {
        k: v for k, v in same.items() if k not in told_apart
    }
    assert not torch.allclose(old, plain)


def test_weights_beside_a_correction_are_refused() -> None:
    row = torch.zeros(1, 2)
    batch = LossInput.from_batch(
        row, row, torch.ones(1), torch.ones(1, 2).bool(), rollout_logprobs=row, weights=torch.ones(1, 2)
    )
    with pytest.raises(ValueError, match="weights were given to a loss that has an importance correction"):
        DAPOLoss(importance=TruncatedImportance())(batch)


@EVERY_LOSS
def test_micro_batches_with_and_without_older_groups_add_up(kind: Any) -> None:
    groups = [
        TrainingGroup(
            recorded(group(BigramPolicy(), [4, 2, 3], seed=seed), 0.3, -0.4), (1.0, -0.5, -0.5), None, None, seed > 1
        )
        for seed in (1, 2, 3)
    ]
    found = []
    for limit in (1, 14, 1000):
        module = Module(kind())
        metrics = Update(3, tokens_per_microbatch=limit).accumulate(module, groups)  # type: ignore[arg-type]
        found.append((module.policy.scores.grad, metrics))
    for slope, metrics in found[1:]:
        torch.testing.assert_close(slope, found[0][0], rtol=0, atol=1e-6)
        assert metrics == pytest.approx(found[0][1], abs=1e-6)


def trained(kind: Any, noise: float, updates: int, importance: ImportanceCorrection | None = None) -> tuple[Any, ...]:
    """Weights and metrics after a step on four groups; the engine records the policy's log-probabilities plus noise."""
    module = Module(kind(importance=importance), lr=1e-3)
    generator = torch.Generator().manual_seed(5)
    scored = []
    for seed in range(4):
        made = group(module.policy, [4, 6, 3], seed=seed)
        shifts = (noise * torch.randn(40, generator=generator)).tolist()
        scored.append(ScoredGroup(recorded(made, *shifts), tuple(CompletionScores(v, {}) for v in (1.0, 0.0, 0.2))))
    engine, update = LocalEngine(Sampling(completions_per_prompt=3)), Update(4 // updates, old_logprobs="auto")
    make = Preparation(module.policy, engine, module.loss, update, DrGRPOAdvantage(), None)
    prepared = make(scored, CPU)
    metrics = [update.step(module, part) for part in update.minibatches(prepared.groups)]  # type: ignore[arg-type]
    return module.policy.scores.detach().clone(), metrics


@EVERY_LOSS
@pytest.mark.parametrize("updates", [1, 2, 4])
def test_what_the_engine_computed_does_not_reach_the_ratio(kind: Any, updates: int) -> None:
    """Noise of 0.01 and of 1 per token: on policy the ratio is exactly 1, no token is clipped, and every weight after
    the step is bit for bit what it is with an engine without noise, also after the later updates of the step."""
    exact, quiet = trained(kind, 0.0, updates)
    for noise in (0.01, 1.0):
        found, metrics = trained(kind, noise, updates)
        assert torch.equal(found, exact)
        assert metrics[0]["ratio"] == 1.0
        assert metrics[0]["old_kl"] == metrics[0]["clip_fraction_low"] == metrics[0]["clip_fraction_high"] == 0.0
        assert [one["ratio"] for one in metrics] == [one["ratio"] for one in quiet]
        assert metrics[0]["mismatch"] > noise / 3
    assert metrics[0]["grad_norm"] > 0
    if updates > 1:
        assert metrics[1]["old_kl"] > 0, "the second update is taken against the weights before the first"


@EVERY_LOSS
def test_the_engine_enters_as_a_weight_only(kind: Any) -> None:
    exact, _ = trained(kind, 0.0, 2, TruncatedImportance())
    found, metrics = trained(kind, 0.01, 2, TruncatedImportance())
    assert metrics[0]["ratio"] == 1.0
    assert metrics[0]["clip_fraction_low"] == metrics[0]["clip_fraction_high"] == 0.0
    assert not torch.equal(found, exact)
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-4)


class Dropping(BigramPolicy):
    """Dropout that halves every logit while training."""

    has_dropout = True

    def logprobs(self, groups: Sequence[RolloutGroup], temperature: float = 1.0) -> torch.Tensor:
        return super().logprobs(groups, temperature * (2.0 if self.training else 1.0))


@pytest.mark.parametrize("version", [0, 1])
def test_dropout_is_in_no_importance_weight(version: int) -> None:
    """The engine has the policy's weights, so that every weight is 1, also in the first update and where older weights
    sampled the group; the ratio is that of passes with dropout, and 1 in the first update."""
    engine, update = LocalEngine(Sampling(completions_per_prompt=2)), Update(1)
    engine.publish(BigramPolicy())
    for loss in (DAPOLoss(), DAPOLoss(importance=TruncatedImportance())):
        module = Module(loss)
        module.policy = Dropping()
        scored = [
            ScoredGroup(
                recorded(group(module.policy.eval(), [3, 2], seed=seed), 0.0, version=version),
                tuple(CompletionScores(value, {}) for value in (1.0, 0.0)),
            )
            for seed in (0, 1)
        ]
        module.policy.train()
        make = Preparation(module.policy, engine, loss, update, DrGRPOAdvantage(), None)
        prepared = make(scored, CPU)
        weights = [
            update.accumulate(module, part)["importance_weight"]  # type: ignore[arg-type]
            for part in update.minibatches(prepared.groups)
        ]
        assert weights == pytest.approx([1.0, 1.0], abs=1e-6)


def test_groups_are_stale_by_the_count_of_the_engine() -> None:
    policy, engine, update = BigramPolicy(), LocalEngine(Sampling(completions_per_prompt=2)), Update(3)
    for _ in range(3):
        engine.publish(policy)
    scored = [
        ScoredGroup(recorded(group(policy, [2, 1]), 0.0, version=version), (CompletionScores(1.0, {}),) * 2)
        for version in (3, 2, 3)
    ]
    made = Preparation(policy, engine, DAPOLoss(), update, DrGRPOAdvantage(), None)(scored, CPU)
    assert [one.is_stale for one in made.groups] == [False, True, False]
    assert [one.rows(0, 1).is_stale for one in made.groups] == [False, True, False]


@pytest.mark.parametrize("correction", [TruncatedImportance(1.2, 2.0), MaskedImportance(0.1, 0.9)])
def test_bounds_that_change_a_weight_of_one_are_refused(correction: ImportanceCorrection) -> None:
    with pytest.raises(ValueError, match=r"update\.stale_importance: low .* must have 1 between them"):
        Update(1, stale_importance=correction)


def test_the_log_probabilities_of_the_engine_are_refused_as_the_old_ones() -> None:
    with pytest.raises(ValueError, match=r"update\.old_logprobs: rollout is refused.*TruncatedImportance"):
        Update(1, old_logprobs="rollout")
    assert vars(Update(1, old_logprobs="recompute")).keys() == vars(Update(1)).keys()


class Likelihood(GroupLoss):
    """A loss that does not know of weights."""

    def __call__(self, batch: LossInput) -> LossOutput:
        clean = batch.cleaned()
        return LossOutput(-clean.policy_logprobs.sum() / clean.token_count, {})


def test_a_loss_that_weights_nothing_is_refused_where_older_groups_may_come() -> None:
    def module(loss: GroupLoss, max_staleness: int) -> GroupRLModule:
        return GroupRLModule(
            VisionLanguagePolicy("nowhere"),
            LocalEngine(Sampling(completions_per_prompt=2)),
            RewardSuite({"format": Weighted(FormatReward(), 1.0)}),
            loss,
            Update(1),
            prompts_per_step=1,
            max_steps=1,
            max_staleness=max_staleness,
        )

    with pytest.raises(ValueError, match=r"model\.max_staleness: 1 trains .*, but Likelihood .* max_staleness: 0"):
        module(Likelihood(), 1)
    assert module(Likelihood(), 0).buffer.max_staleness == 0
    assert isinstance(module(DAPOLoss(), 3).loss, ComposedLoss)
