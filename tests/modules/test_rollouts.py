"""Sampling with a step, and one batch ahead of it."""

import copy
import math
import pickle
import threading
from pathlib import Path
from typing import Any

import pytest

from medix.losses.dapo import DAPOLoss
from medix.losses.importance import TruncatedImportance
from medix.modules.rollouts import Rollouts, RolloutsAhead
from medix.modules.update import Update
from medix.policy.base import Policy
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.format import FormatReward
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.rollout.engine import OnCompletion, RolloutEngine, RolloutError, Sampling, StaleEngineError
from medix.rollout.local import LocalEngine
from medix.rollout.signal import KeepScored
from medix.types import Completion, FinishReason, Prompt, RolloutGroup, Sample
from tests.support.group_rl_runs import fit, make
from tests.support.policies import BigramPolicy


class Gate(RolloutEngine):
    """Samples nothing until it is let."""

    samples_elsewhere = True

    def __init__(self) -> None:
        super().__init__(Sampling(completions_per_prompt=1))
        self.open = threading.Event()
        self.asked: list[str] = []
        self.error: Exception | None = None

    def bind(self, policy: Policy) -> None:
        pass

    def rollout(
        self, prompts: Any, on_completion: OnCompletion | None = None, sampling: Sampling | None = None
    ) -> list[RolloutGroup]:
        assert self.open.wait(20), "nobody opened the gate"
        if self.error is not None:
            raise self.error
        self.asked += [prompt.sample.id for prompt in prompts]
        written = Completion("<CT_SCAN><think>x</think><answer>y</answer>", (1, 2), (-0.5, -0.5), FinishReason.STOP)
        if on_completion is not None:
            for prompt in prompts:
                on_completion(prompt, written)
        return [RolloutGroup(prompt, (written,), self.policy_version) for prompt in prompts]


def prompts(*names: str) -> list[Prompt]:
    return [Prompt(Sample(name, "?", "y", "CT_SCAN"), (1, 2, 3), index=n) for n, name in enumerate(names)]


def suite() -> RewardSuite:
    return RewardSuite({"format": Weighted(FormatReward(), 1.0)})


def ids(groups: list[RolloutGroup]) -> list[str]:
    return [group.prompt.sample.id for group in groups]


def test_a_batch_ahead_that_was_taken_by_abandoned_work_is_given_back() -> None:
    """The rewards of a are abandoned while b is being sampled: what a checkpoint then holds is a, and nothing waits."""
    engine = Gate()
    engine.open.set()
    ahead = RolloutsAhead(engine, suite())
    ahead.next_batch(prompts("a"))
    ahead.drain()
    held, before = ahead.held(), ahead.state_dict()
    engine.open.clear()
    assert ids(ahead.next_batch(prompts("b")).groups) == ["a"]
    ahead.hold(held)
    assert ahead.state_dict() == before
    assert [group["sample"]["id"] for group in before["groups"]] == ["a"]
    engine.open.set()
    plain = Rollouts(engine, suite())
    plain.hold(plain.held())
    assert plain.state_dict() == {"groups": []}


def test_ahead_a_batch_is_exchanged_for_the_one_before_it() -> None:
    engine = Gate()
    ahead = RolloutsAhead(engine, suite())
    assert ahead.next_batch(prompts("a")).groups == []  # returns though nothing can be sampled yet
    assert engine.asked == []
    engine.open.set()
    first = ahead.next_batch(prompts("b", "c"))
    assert ids(first.groups) == ["a"]
    assert [group.scores[0].total for group in first.scoring.close(first.groups)] == [1.0]
    ahead.drain()
    assert engine.asked == ["a", "b", "c"]
    assert ids(ahead.next_batch(prompts()).groups) == ["b", "c"]


def test_in_step_nothing_waits() -> None:
    engine = Gate()
    engine.open.set()
    rollouts = Rollouts(engine, suite())
    assert ids(rollouts.next_batch(prompts("a")).groups) == ["a"]
    assert rollouts.state_dict() == {"groups": []}


def test_an_error_of_the_engine_comes_out_where_its_groups_would() -> None:
    engine = Gate()
    engine.open.set()
    engine.error = RolloutError("samples 'a': all servers are down")
    ahead = RolloutsAhead(engine, suite())
    ahead.next_batch(prompts("a"))
    with pytest.raises(RolloutError, match="samples 'a'"):
        ahead.drain()
    with pytest.raises(RolloutError, match="samples 'a'"):
        ahead.next_batch(prompts("b"))


def test_what_was_sampled_ahead_is_in_the_checkpoint_and_scored_again() -> None:
    engine = Gate()
    engine.open.set()
    ahead = RolloutsAhead(engine, suite())
    ahead.next_batch(prompts("a", "b"))
    saved = pickle.loads(pickle.dumps(ahead.state_dict()))  # as a checkpoint file does
    resumed = RolloutsAhead(engine, suite())
    resumed.load_state_dict(saved, lambda sample, index: Prompt(sample, (1, 2, 3), index=index))
    taken = resumed.next_batch(prompts("c"))
    assert ids(taken.groups) == ["a", "b"]
    assert taken.scoring.close(taken.groups)[1].scores[0].total == 1.0
    with pytest.raises(ValueError, match=r"2 groups that were sampled ahead.*rollouts_ahead: 1"):
        Rollouts(engine, suite()).load_state_dict(saved, lambda sample, index: Prompt(sample, (1,), index=index))


class Copying(LocalEngine):
    """Samples from a copy of the policy that it takes at every publish, as a server does."""

    samples_elsewhere = True

    def bind(self, policy: Policy) -> None:
        assert isinstance(policy, VisionLanguagePolicy)
        super().bind(copy.deepcopy(policy))

    def publish(self, policy: Policy) -> None:
        super().publish(policy)
        self.bind(policy)


def corrected() -> DAPOLoss:
    return DAPOLoss(importance=TruncatedImportance())


def test_a_run_ahead_trains_on_the_policy_before_the_last_update_and_says_so(tiny_policy: Path, tmp_path: Path) -> None:
    sampling = Sampling(completions_per_prompt=3, max_completion_tokens=5)
    module = make(tiny_policy, engine=Copying(sampling), loss=corrected(), max_steps=4, rollouts_ahead=1, lr=0.1,
                  group_filter=KeepScored())  # fmt: skip
    records, _ = fit(module, tmp_path)
    versions = [{group.rollout.policy_version for group in record.trained} for record in records]
    assert [record.metrics["staleness"] for record in records] == [0.0, 1.0, 1.0, 1.0]
    assert versions == [{0}, {0}, {1}, {2}]
    assert records[0].metrics["mismatch"] < 1e-4 < records[1].metrics["drift"]
    assert math.isnan(records[0].metrics["drift"])
    assert math.isnan(records[1].metrics["mismatch"]), "no group of the present weights"
    in_step, _ = fit(make(tiny_policy, engine=Copying(sampling), max_steps=2, lr=0.1), tmp_path)
    assert [record.metrics["staleness"] for record in in_step] == [0.0, 0.0]


def test_weights_are_published_after_the_engine_has_finished(tiny_policy: Path, tmp_path: Path) -> None:
    busy = threading.Event()

    class Watched(Copying):
        def rollout(self, *arguments: Any, **named: Any) -> list[RolloutGroup]:
            busy.set()
            try:
                return super().rollout(*arguments, **named)
            finally:
                busy.clear()

        def publish(self, policy: Policy) -> None:
            assert not busy.is_set()
            super().publish(policy)

    sampling = Sampling(completions_per_prompt=3, max_completion_tokens=5)
    fit(make(tiny_policy, engine=Watched(sampling), loss=corrected(), max_steps=3, rollouts_ahead=1), tmp_path)


def test_an_engine_that_missed_a_publish_stops_the_run(tiny_policy: Path, tmp_path: Path) -> None:
    class Forgetful(Copying):
        def publish(self, policy: Policy) -> None:
            self.policy_version += 1  # and keeps its weights

    sampling = Sampling(completions_per_prompt=3, max_completion_tokens=5)
    late = make(tiny_policy, engine=Forgetful(sampling), max_steps=3, lr=30.0, update=Update(4, max_grad_norm=None))
    with pytest.raises(StaleEngineError, match=r"step 2: log-probabilities of Forgetful .* model\.max_mismatch: 0\.5"):
        fit(late, tmp_path)
    assert late.step == 1


def test_an_engine_that_does_not_count_its_publishes_is_refused() -> None:
    """The age of its groups would always be 0."""

    class Uncounted(Gate):
        def publish(self, policy: Policy) -> None:
            pass

    with pytest.raises(StaleEngineError, match=r"Uncounted\.publish left policy_version at 0, where 1 .* super\(\)"):
        Rollouts(Uncounted(), suite()).publish(BigramPolicy())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "LocalEngine does not"),
        ({"engine": Copying(Sampling(3, 5)), "max_staleness": 0}, "max_staleness: 0 drops them"),
        ({"engine": Copying(Sampling(3, 5)), "loss": corrected(), "max_rollouts_per_step": 1}, "1 is too few"),
    ],
)
def test_what_cannot_run_ahead_is_refused_with_a_remedy(
    changes: dict[str, Any], message: str, tiny_policy: Path
) -> None:
    with pytest.raises(ValueError, match=message):
        make(tiny_policy, **{"rollouts_ahead": 1, **changes})


def test_completions_that_were_cut_stay_in_their_group_and_leave_the_loss(tiny_policy: Path, tmp_path: Path) -> None:
    ends = {"engine": LocalEngine(Sampling(3, 5, temperature=50.0, stop=("e", "a", "n")))}
    update = Update(prompts_per_update=4, truncated="leave_out")
    (record,), _ = fit(make(tiny_policy, update=update, **ends), tmp_path)
    completions = [one for group in record.trained for one in group.rollout.completions]
    assert {one.is_truncated for one in completions} == {True, False}
    advantages = [advantage for row in record.advantages for advantage in row]
    assert [math.isnan(advantage) for advantage in advantages] == [one.is_truncated for one in completions]
    expected = sum(len(one.token_ids) for one in completions if not one.is_truncated)
    assert record.tokens == expected
