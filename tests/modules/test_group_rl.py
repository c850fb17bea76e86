"""The training module on a tiny policy: what a step does, and what it refuses."""

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from medix.advantages.max_variance_subset import MaxVarianceSubset
from medix.data.prompting import Prompting
from medix.judge.scripted import ScriptedJudge
from medix.losses.base import LossInput, LossOutput
from medix.losses.coefficient import AdaptiveCoefficient
from medix.losses.dapo import DAPOLoss
from medix.losses.reference_kl import ReferenceKL
from medix.losses.reward_kl import RewardKL
from medix.modules import no_update
from medix.modules.group_rl import GroupRLModule
from medix.modules.no_signal import NoSignalError
from medix.modules.update import Update
from medix.policy.lora import LoRA
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent, Unscored
from medix.rewards.judged import JudgeReward
from medix.rewards.scoring import UnscoredLimitError
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.signal import KeepScored
from medix.types import Prompt
from tests.support.group_rl_runs import Ruled, fit, make, weights


def test_a_step_moves_the_weights_and_says_what_it_did(tiny_policy: Path, tmp_path: Path) -> None:
    module = make(tiny_policy)
    module.policy.load()
    before = weights(module)
    (record,), _ = fit(module, tmp_path)
    assert any(not torch.equal(value, before[name]) for name, value in weights(module).items())
    assert (module.step, module.updates, record.step) == (1, 2, 1)
    assert len(record.trained) == 4
    assert set(record.seconds) == {"rollout", "reward", "old_logprobs", "update", "publish"}
    assert record.tokens == sum(len(c.token_ids) for g in record.trained for c in g.rollout.completions)
    assert {"loss", "grad_norm", "lr", "skipped_updates"} <= record.metrics.keys()
    for group, advantages in zip(record.trained, record.advantages, strict=True):
        assert sum(advantages) == pytest.approx(0, abs=1e-9)
        assert max(group.totals) > min(group.totals)


def test_with_learning_rate_zero_nothing_moves(tiny_policy: Path, tmp_path: Path) -> None:
    module = make(tiny_policy, lr=0.0)
    module.policy.load()
    before = weights(module)
    fit(module, tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in weights(module).items())


def test_dynamic_sampling_reads_on_until_enough_groups_have_spread_and_keeps_the_surplus(
    tiny_policy: Path, tmp_path: Path
) -> None:
    module = make(tiny_policy, max_steps=2, prompts_per_rollout=3)
    records, _ = fit(module, tmp_path)
    scored = sum(len(record.scored) for record in records)
    flat = sum(max(g.totals) == min(g.totals) for record in records for g in record.scored)
    assert records[0].rollouts >= 2
    assert scored - flat == 8 + len(module.buffer)
    assert all(max(g.totals) > min(g.totals) for record in records for g in record.trained)


def test_rewards_without_spread_stop_the_step_with_the_numbers_and_a_remedy(tiny_policy: Path, tmp_path: Path) -> None:
    module = make(tiny_policy, rule=lambda text: 0.145, max_rollouts_per_step=3)
    with pytest.raises(NoSignalError) as error:
        fit(module, tmp_path)
    message = str(error.value)
    assert "3 rollouts (model.max_rollouts_per_step) gave 0 of 4 groups" in message
    assert "12 of 12 groups had totals without spread" in message
    assert "raise the temperature" in message


def test_an_unscored_completion_leaves_its_group_and_the_others_are_trained(tiny_policy: Path, tmp_path: Path) -> None:
    counter = iter(range(10**6))

    def every_fifth_fails(text: str) -> float | Unscored:
        number = next(counter)
        return Unscored("the judge is down") if number % 5 == 0 else number % 7 / 7

    suite = RewardSuite({"ruled": Weighted(Ruled(every_fifth_fails), 1.0)}, max_unscored=0.5)
    module = make(tiny_policy, rewards=suite)
    (record,), _ = fit(module, tmp_path)
    unscored = [(g, i) for g, group in enumerate(record.trained) for i, t in enumerate(group.totals) if math.isnan(t)]
    assert unscored
    for g, i in unscored:
        rest = [a for j, a in enumerate(record.advantages[g]) if j != i]
        assert math.isnan(record.advantages[g][i])
        assert sum(rest) == pytest.approx(0, abs=1e-9)


def test_a_judge_that_is_down_stops_the_step_and_moves_nothing(tiny_policy: Path, tmp_path: Path) -> None:
    class Whole(RewardComponent):
        def score(self, batch: RewardBatch) -> ComponentScores:
            return JudgeReward(ScriptedJudge(default=None)).score(
                RewardBatch(
                    **{**vars(batch), "completions": ["<X_RAY><think>r</think><answer>a</answer>"] * len(batch)}
                )
            )

    module = make(tiny_policy, rewards=RewardSuite({"judge": Weighted(Whole(), 1.0)}))
    module.policy.load()
    before = weights(module)
    with pytest.raises(UnscoredLimitError, match="12 of 12 completions of this step are unscored"):
        fit(module, tmp_path)
    assert all(torch.equal(value, before[name]) for name, value in weights(module).items())


def test_kl_in_the_reward_lowers_totals_before_the_advantage_and_adapts(tiny_policy: Path, tmp_path: Path) -> None:
    """A policy that has moved pays: the second step has a divergence above 0, and its coefficient follows it."""
    coefficient = AdaptiveCoefficient(initial=0.5, target=1e-9, horizon=100)
    module = make(tiny_policy, lr=0.5, max_steps=2, reward_kl=RewardKL("k2", coefficient))
    first, second = fit(module, tmp_path)[0]
    assert first.metrics["reward_kl"] == pytest.approx(0, abs=1e-9)
    assert second.metrics["reward_kl"] > 1e-9
    # Step 1: error -0.2 (no divergence), step 2: +0.2; 4 prompts x 3 completions over a horizon of 100.
    assert coefficient.value == pytest.approx(0.5 * (1 - 0.2 * 0.12) * (1 + 0.2 * 0.12))


def test_a_subset_of_each_group_is_trained_and_all_of_it_is_recorded(tiny_policy: Path, tmp_path: Path) -> None:
    """Two of three. The policy moves as one whose loss gets these two alone, and the coefficient counts them."""
    inside = AdaptiveCoefficient(initial=0.5, target=1e-12, horizon=100)
    loss = DAPOLoss(reference_kl=ReferenceKL("k2", inside))
    module = make(tiny_policy, subset=MaxVarianceSubset(2), loss=loss, update=Update(prompts_per_update=4))
    (record,), _ = fit(module, tmp_path)
    tokens = 0
    for group, advantages in zip(record.trained, record.advantages, strict=True):
        assert len(group.totals) == 3
        kept = [index for index, advantage in enumerate(advantages) if not math.isnan(advantage)]
        assert [group.totals[index] for index in kept].count(max(group.totals)) == 1
        assert min(group.totals) in [group.totals[index] for index in kept]
        assert sum(advantages[index] for index in kept) == pytest.approx(0, abs=1e-9)
        tokens += sum(len(group.rollout.completions[index].token_ids) for index in kept)
    assert record.tokens == tokens
    assert inside.value == pytest.approx(0.5 * (1 - 0.2 * 8 / 100)), "4 prompts, 2 completions each"


def test_a_subset_larger_than_the_group_is_refused(tiny_policy: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.subset\.size: 4 exceeds completions_per_prompt: 3"):
        make(tiny_policy, subset=MaxVarianceSubset(4))


def test_a_step_closes_with_the_groups_it_has_and_counts_them(tiny_policy: Path, tmp_path: Path) -> None:
    """A batch has three prompts, a step would take four: each step has one batch, and a last update of one group."""
    outside = AdaptiveCoefficient(initial=0.5, target=1e-9, horizon=100)
    module = make(tiny_policy, rule=lambda text: sum(map(ord, text)) / 1000, max_steps=2, prompts_per_rollout=3,
                  close_after_rollouts=1, reward_kl=RewardKL("k2", outside), lr=0.0)  # fmt: skip
    records, _ = fit(module, tmp_path)
    groups = [len(record.trained) for record in records]
    assert max(groups) <= 3
    assert [record.rollouts for record in records] == [1, 1]
    assert [record.metrics["groups"] for record in records] == groups
    assert module.updates == sum(math.ceil(count / 2) for count in groups)
    assert outside.value == pytest.approx(0.5 * math.prod(1 - 0.2 * 3 * count / 100 for count in groups))


def test_a_step_without_a_group_reads_on_though_it_might_close(tiny_policy: Path, tmp_path: Path) -> None:
    module = make(tiny_policy, rule=lambda text: 0.145, max_rollouts_per_step=2, close_after_rollouts=1)
    with pytest.raises(NoSignalError, match=r"2 rollouts .* gave 0 of 4 groups"):
        fit(module, tmp_path)


class Exploding(DAPOLoss):
    """Infinite in its third call: with one update a step and one micro-batch, in step 3."""

    calls = 0

    def __call__(self, batch: LossInput) -> LossOutput:
        self.calls += 1
        output = super().__call__(batch)
        return replace(output, loss=output.loss * (math.inf if self.calls == 3 else 1.0))


def test_an_update_that_is_not_finite_is_skipped_and_adapts_nothing(tiny_policy: Path, tmp_path: Path) -> None:
    """Four steps of one update. Far above a target of 1e-12, a step of 12 completions multiplies each coefficient by
    1 + 0.2 · 12 / 100; without divergence, as in the first, by 1 - 0.2 · 12 / 100; the third leaves it alone."""
    inside, outside = (AdaptiveCoefficient(initial=0.5, target=1e-12, horizon=100) for _ in range(2))
    loss = Exploding(reference_kl=ReferenceKL("k2", inside))
    module = make(tiny_policy, lr=0.5, max_steps=4, loss=loss, update=Update(prompts_per_update=4),
                  reward_kl=RewardKL("k2", outside))  # fmt: skip
    records, _ = fit(module, tmp_path)
    assert [record.metrics["skipped_updates"] for record in records] == [0, 0, 1, 0]
    assert records[1].metrics["reference_kl"] > 1e-9
    for coefficient in (inside, outside):
        assert coefficient.value == pytest.approx(0.5 * (1 - 0.024) * (1 + 0.024) ** 2)
    assert all(value.isfinite().all() for value in weights(module).values())


def test_a_run_whose_updates_are_all_skipped_ends_with_the_reason(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(no_update, "LIMIT", 2)

    class NotANumber(DAPOLoss):
        def __call__(self, batch: Any) -> Any:
            output = super().__call__(batch)
            return type(output)(loss=output.loss * math.nan, metrics=output.metrics)

    module = make(tiny_policy, max_steps=4, loss=NotANumber(), update=Update(prompts_per_update=4))
    with pytest.raises(no_update.NoUpdateError, match=r"step 2: .*not finite \(loss nan"):
        fit(module, tmp_path)
    assert module.step == 1


def test_groups_that_wait_too_long_are_dropped_and_counted(tiny_policy: Path, tmp_path: Path) -> None:
    """Of 6 groups a step trains 4. Steps 1 to 4 train 0-3, 4-7, 8-11 and 12-15, those of the last two being one
    publish old; step 5 finds 16 and 17, of step 3, two publishes old. An epoch ends after 17; the next begins at 20."""
    engine = LocalEngine(Sampling(completions_per_prompt=3, max_completion_tokens=5))
    counter = itertools.count()
    module = make(tiny_policy, rule=lambda text: next(counter) % 8 / 8, engine=engine, max_steps=5,
                  prompts_per_rollout=6, update=Update(prompts_per_update=4))  # fmt: skip
    records, _ = fit(module, tmp_path)
    assert [[g.rollout.prompt.index for g in record.trained] for record in records] == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11], [12, 13, 14, 15], [20, 21, 22, 23],
    ]  # fmt: skip
    assert [[g.rollout.prompt.index for g in record.dropped] for record in records] == [[], [], [], [], [16, 17]]
    assert [record.metrics["dropped_groups"] for record in records] == [0, 0, 0, 0, 2]
    assert [record.metrics["staleness"] for record in records] == [0, 0.5, 1, 1, 1]
    assert [record.metrics["max_staleness"] for record in records] == [0, 1, 1, 1, 1]
    assert [record.metrics["ratio"] for record in records] == [1.0] * 5
    assert records[0].metrics["importance_weight"] == 1.0 != records[2].metrics["importance_weight"]
    assert [dict(group.rollout.prompt.inputs) for group in module.buffer] == [{}] * 8
    assert all(group.rollout.prompt.inputs for record in records for group in record.trained)


def test_old_logprobs_cost_no_pass_where_one_update_follows_a_fresh_rollout(
    tiny_policy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[bool] = []
    plain = VisionLanguagePolicy.logprobs

    def counted(self: VisionLanguagePolicy, *arguments: Any) -> torch.Tensor:
        passes.append(torch.is_grad_enabled())
        return plain(self, *arguments)

    monkeypatch.setattr(VisionLanguagePolicy, "logprobs", counted)
    fit(make(tiny_policy, max_steps=3, update=Update(prompts_per_update=4)), tmp_path)
    assert passes == [True, True, True]
    passes.clear()
    fit(make(tiny_policy, update=Update(prompts_per_update=2)), tmp_path)
    assert passes == [False, True, True], "the second update of a step needs the policy before the first"


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_mismatch_says_nothing_of_dropout(tiny_policy: Path, tmp_path: Path, dropout: float) -> None:
    """With it one group of each step passes once more, without dropout; the ratio is of the pass with it, and 1."""
    policy = VisionLanguagePolicy(str(tiny_policy), lora=LoRA(rank=4, dropout=dropout))
    policy.load()
    for name, weight in policy.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)  # an adapter that does something
    update = Update(prompts_per_update=4)
    module = make(tiny_policy, policy=policy, max_steps=3, update=update, group_filter=KeepScored())
    assert policy.has_dropout == (dropout > 0)
    records, _ = fit(module, tmp_path)
    found = [record.metrics["mismatch"] for record in records]
    assert max(found) < 1e-5, found
    assert [record.metrics["ratio"] for record in records] == [1.0, 1.0, 1.0]


def test_a_step_counts_the_prompts_that_were_too_long_for_it(tiny_policy: Path, tmp_path: Path) -> None:
    """Some of the tiny samples have a longer question than others; all that are read count, and none is sampled."""
    module = make(tiny_policy)
    module.policy.load()
    lengths = sorted(len(prompt.token_ids) for prompt in _rendered(module, tmp_path))
    limit = lengths[len(lengths) // 2]
    module = make(tiny_policy, prompting=Prompting(template="short", max_prompt_tokens=limit), max_steps=2)
    records, trainer = fit(module, tmp_path)
    read = trainer.datamodule.loaders["train"]  # type: ignore[attr-defined]
    sampled = {group.rollout.prompt.index for record in records for group in record.scored}
    assert sum(record.too_long for record in records) == read.position - len(sampled) > 0
    assert max(len(g.rollout.prompt.token_ids) for record in records for g in record.scored) <= limit


def _rendered(module: GroupRLModule, folder: Path) -> list[Prompt]:
    """The prompts of one step."""
    records, _ = fit(module, folder)
    return [group.rollout.prompt for record in records for group in record.scored]


def test_the_first_update_has_ratio_one(tiny_policy: Path, tmp_path: Path) -> None:
    (record,), _ = fit(make(tiny_policy, update=Update(prompts_per_update=4)), tmp_path)
    assert record.metrics["ratio"] == 1.0
    assert record.metrics["clip_fraction_high"] == 0.0


def test_one_completion_per_prompt_is_refused_before_weights_are_read(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="completions_per_prompt: 1; a group needs at least 2"):
        make(tmp_path / "nowhere", engine=LocalEngine(Sampling(completions_per_prompt=1)))


@pytest.mark.parametrize("name", ["max_steps", "max_rollouts_per_step"])
def test_a_run_of_no_steps_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"model.{name}: -1 must be at least 1"):
        make(tmp_path / "nowhere", **{name: -1})
