"""When the completions of a loader batch are sampled: with the step that trains on them, or ahead of it."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from medix.rewards.scoring import Scoring
from medix.rewards.suite import RewardSuite
from medix.rollout.buffer import Render, restored_prompt
from medix.rollout.engine import RolloutEngine
from medix.types import Prompt, RolloutGroup


@dataclass(frozen=True)
class Rolled:
    """Groups with what has been scoring their completions since they came."""

    groups: list[RolloutGroup]
    scoring: Scoring


class Rollouts:
    """In step: a batch is sampled when it is asked for.

    Args:
        engine: samples.
        rewards: start to score completions while others are still being sampled.
    """

    def __init__(self, engine: RolloutEngine, rewards: RewardSuite) -> None:
        self.engine = engine
        self.rewards = rewards

    def next_batch(self, prompts: Sequence[Prompt]) -> Rolled:
        """Hand in the prompts of a batch, take groups out."""
        return self._roll(prompts, self.rewards.open())

    def drain(self) -> None:
        """Wait until nothing is being sampled: weights may change afterwards."""

    def state_dict(self) -> dict[str, Any]:
        """Groups that were handed in and not taken out; call ``drain`` first."""
        return {"groups": []}

    def load_state_dict(self, state: dict[str, Any], render: Render) -> None:  # noqa: ARG002  # see RolloutsAhead
        """The inverse of ``state_dict``.

        Args:
            state: what ``state_dict`` gave.
            render: makes the prompts again; their tensors are not in the state.
        """
        if state["groups"]:
            raise ValueError(
                f"the checkpoint holds {len(state['groups'])} groups that were sampled ahead; resume with "
                "model.rollouts_ahead: 1"
            )

    def _roll(self, prompts: Sequence[Prompt], scoring: Scoring) -> Rolled:
        return Rolled(self.engine.rollout(list(prompts), on_completion=scoring.submit), scoring)


class RolloutsAhead(Rollouts):
    """One batch ahead: while the policy is updated on one batch, the engine samples the next with the weights before.

    The first batch is sampled and nothing is taken out; every later one is exchanged for the one before it. Groups are
    then one update behind the policy at most, more where several batches make a step.

    Args:
        engine: samples elsewhere.
        rewards: start to score completions while others are still being sampled.
    """

    def __init__(self, engine: RolloutEngine, rewards: RewardSuite) -> None:
        super().__init__(engine, rewards)
        self._thread: ThreadPoolExecutor | None = None  # started with the first batch
        self._pending: Future[Rolled] | None = None

    def next_batch(self, prompts: Sequence[Prompt]) -> Rolled:
        """Hand in the prompts of a batch, take out the groups of the one before; none at first."""
        taken = Rolled([], self.rewards.open()) if self._pending is None else self._pending.result()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="medix-rollout-ahead")
        self._pending = self._thread.submit(self._roll, list(prompts), self.rewards.open())
        return taken

    def drain(self) -> None:
        """Wait until nothing is being sampled; an error of the engine is raised here."""
        if self._pending is not None:
            self._pending.result()

    def state_dict(self) -> dict[str, Any]:
        """Groups that were handed in and not taken out."""
        groups = [] if self._pending is None else self._pending.result().groups
        return {"groups": [group.to_state() for group in groups]}

    def load_state_dict(self, state: dict[str, Any], render: Render) -> None:
        """The inverse of ``state_dict``; what was sampled is scored again."""
        groups = [RolloutGroup.from_state(one, restored_prompt(one, render)) for one in state["groups"]]
        scoring = self.rewards.open()
        for group in groups:
            for completion in group.completions:
                scoring.submit(group.prompt, completion)
        self._pending = None
        if groups:
            self._pending = Future()
            self._pending.set_result(Rolled(groups, scoring))
