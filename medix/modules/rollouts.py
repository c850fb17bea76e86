"""Sampling of loader batches: within the step that trains on them, or one batch ahead."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from medix.distributed import fail_together
from medix.policy.base import Policy
from medix.rewards.scoring import Scoring
from medix.rewards.suite import RewardSuite
from medix.rollout.buffer import Render, restored_prompt, without_tensors
from medix.rollout.engine import RolloutEngine, StaleEngineError
from medix.types import Prompt, RolloutGroup


@dataclass(frozen=True)
class Rolled:
    """Sampled groups, and the scoring that was started while they were sampled."""

    groups: list[RolloutGroup]
    scoring: Scoring


class Rollouts:
    """Samples each batch when it is requested.

    Args:
        engine: samples completions.
        rewards: starts to score completions while others are still being sampled.
    """

    def __init__(self, engine: RolloutEngine, rewards: RewardSuite) -> None:
        self.engine = engine
        self.rewards = rewards

    def next_batch(self, prompts: Sequence[Prompt]) -> Rolled:
        """Sample the batch and return its groups."""
        return self._roll(prompts, self.rewards.open())

    def drain(self) -> None:
        """Wait until no sampling is in progress, so that weights may change."""

    def held(self) -> Any:
        """What was sampled and not yet returned, for ``hold``."""
        return None

    def hold(self, held: Any) -> None:
        """Forget what was sampled since ``held`` returned this."""

    def publish(self, policy: Policy) -> None:
        """Give the engine the policy's weights, once no sampling is in progress; every rank must call it.

        Raises:
            StaleEngineError: the engine does not count its publishes, by which the age of groups is known.
        """
        with fail_together():
            self.drain()
        before = self.engine.policy_version
        self.engine.publish(policy)
        if self.engine.policy_version != before + 1:
            raise StaleEngineError(
                f"{type(self.engine).__name__}.publish left policy_version at {self.engine.policy_version}, where "
                f"{before + 1} is due: groups would be taken for those of other weights. Call super().publish(policy)"
            )

    def state_dict(self) -> dict[str, Any]:
        """Groups that were sampled and not yet returned; call ``drain`` first."""
        return {"groups": []}

    def load_state_dict(self, state: dict[str, Any], render: Render) -> None:  # noqa: ARG002  # see RolloutsAhead
        """The inverse of ``state_dict``.

        Args:
            state: what ``state_dict`` gave.
            render: renders the prompts again; their tensors are not in the state.
        """
        if state["groups"]:
            raise ValueError(
                f"the checkpoint holds {len(state['groups'])} groups that were sampled ahead; resume with "
                "model.rollouts_ahead: 1"
            )

    def _roll(self, prompts: Sequence[Prompt], scoring: Scoring) -> Rolled:
        return Rolled(self.engine.rollout(list(prompts), on_completion=scoring.submit), scoring)


class RolloutsAhead(Rollouts):
    """Samples one batch ahead: while the policy is updated on one batch, the engine samples the next one.

    The first request returns no groups, every later one the groups of the request before, which are at most one
    publish behind the policy.

    Args:
        engine: samples with weights of its own (``samples_elsewhere``).
        rewards: starts to score completions while others are still being sampled.
    """

    def __init__(self, engine: RolloutEngine, rewards: RewardSuite) -> None:
        super().__init__(engine, rewards)
        self._thread: ThreadPoolExecutor | None = None  # started with the first batch
        self._pending: Future[Rolled] | None = None

    def next_batch(self, prompts: Sequence[Prompt]) -> Rolled:
        """Start to sample this batch and return the groups of the previous one; none at first."""
        taken = Rolled([], self.rewards.open()) if self._pending is None else self._pending.result()
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="medix-rollout-ahead")
        self._pending = self._thread.submit(self._roll, list(prompts), self.rewards.open())
        return taken

    def drain(self) -> None:
        """Wait until no sampling is in progress; raises the engine's error if it failed."""
        if self._pending is not None:
            self._pending.result()

    def held(self) -> Any:
        """The batch that was sampled ahead."""
        return self._pending

    def hold(self, held: Any) -> None:
        """Return this batch next; one that is being sampled is left to the end of the engine."""
        self._pending = held

    def state_dict(self) -> dict[str, Any]:
        """Groups that were sampled and not yet returned."""
        groups = [] if self._pending is None else self._pending.result().groups
        return {"groups": [without_tensors(group).to_state() for group in groups]}

    def load_state_dict(self, state: dict[str, Any], render: Render) -> None:
        """The inverse of ``state_dict``; the groups are scored again."""
        groups = [RolloutGroup.from_state(one, restored_prompt(one, render)) for one in state["groups"]]
        scoring = self.rewards.open()
        for group in groups:
            for completion in group.completions:
                scoring.submit(group.prompt, completion)
        self._pending = None
        if groups:
            self._pending = Future()
            self._pending.set_result(Rolled(groups, scoring))


def create_rollouts(
    engine: RolloutEngine,
    rewards: RewardSuite,
    ahead: Literal[0, 1],
    max_rollouts_per_step: int,
    max_staleness: int,
) -> Rollouts:
    """Create the rollouts for ``model.rollouts_ahead``.

    Raises:
        ValueError: the engine, ``max_rollouts_per_step`` or ``max_staleness`` does not allow sampling ahead.
    """
    if not ahead:
        return Rollouts(engine, rewards)
    if max_rollouts_per_step < 2:
        raise ValueError(
            "model.max_rollouts_per_step: 1 is too few for rollouts_ahead: 1, whose first batch gives no groups yet"
        )
    if not engine.samples_elsewhere:
        raise ValueError(
            f"model.rollouts_ahead: 1 needs an engine that samples with weights of its own while the policy is "
            f"updated, and {type(engine).__name__} does not; use medix.rollout.ServedEngine, or set rollouts_ahead: 0"
        )
    if max_staleness < 1:
        raise ValueError(
            "model.rollouts_ahead: 1 trains on completions of the weights before the last update, and "
            "model.max_staleness: 0 drops them; set max_staleness to 1 or more, or rollouts_ahead: 0"
        )
    return RolloutsAhead(engine, rewards)
