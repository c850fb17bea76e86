"""The record of one training step, which callbacks read; ``training_step`` itself logs nothing."""

import math
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field

from medix.distributed import gather
from medix.modules.training_group import TrainingGroup
from medix.types import Completion, GroupKey, ScoredGroup


@dataclass
class StepRecord:
    """One step, on this rank.

    Attributes:
        step: number of the step, from 1.
        scored: every group scored for it, in order; with dynamic sampling more than were trained.
        trained: the groups that were trained; may hold groups of an earlier step, and of other ranks.
        dropped: groups that waited and were not trained on: the weights that sampled them were too old, or other
            rewards after a resume leave them without signal.
        advantages: G advantages of each group in ``trained``; NaN for a completion that was not trained on.
        metrics: means over the updates of the step (``loss``, ``grad_norm``, ``lr``, ``clip_fraction_high``, …),
            the same keys on every rank.
        seconds: wall time of each phase (``rollout``, ``reward``, ``old_logprobs``, ``update``, ``publish``).
        component_seconds: time each reward component took, within the phase ``reward``.
        rollouts: loader batches consumed.
        tokens: completion tokens trained.
        too_long: samples that were read and skipped, because their prompt exceeds the limit.
        bad_shards: samples that were left out because their shard cannot be read, by shard.
    """

    step: int
    scored: list[ScoredGroup] = field(default_factory=list)
    trained: list[ScoredGroup] = field(default_factory=list)
    dropped: list[ScoredGroup] = field(default_factory=list)
    advantages: list[tuple[float, ...]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    component_seconds: dict[str, float] = field(default_factory=dict)
    rollouts: int = 0
    tokens: int = 0
    too_long: int = 0
    bad_shards: Counter[str] = field(default_factory=Counter)
    _trained_anywhere: frozenset[GroupKey] = frozenset()

    def used(self, waiting: Container[GroupKey]) -> list[ScoredGroup]:
        """The groups that this step used: trained on this rank, dropped, or scored here and without a signal.

        Args:
            waiting: groups that a later step may use.

        Returns:
            Each once, in the order of the data.
        """
        own = {group.key for group in self.trained}
        known = {group.key: group for group in (*self.scored, *self.dropped, *self.trained)}
        left = {key: group for key, group in known.items() if key in own or key not in self._trained_anywhere}
        return sorted((group for key, group in left.items() if key not in waiting), key=lambda group: group.key[1])

    def add_scored(self, groups: Sequence[ScoredGroup], seconds: Mapping[str, float]) -> None:
        """Add the groups of one loader batch, and the seconds that each reward component took."""
        self.scored.extend(groups)
        for name, taken in seconds.items():
            self.component_seconds[name] = self.component_seconds.get(name, 0.0) + taken

    def close(
        self,
        scored: list[ScoredGroup],
        training: Sequence[TrainingGroup],
        metrics: dict[str, float],
        trains: Callable[[Completion, float], bool],
    ) -> None:
        """Add what is known once the updates are done; every rank must call it.

        Args:
            scored: the groups of the step.
            training: the same, prepared.
            metrics: of the step.
            trains: ``Update.trains``.
        """
        self.trained, self.metrics = scored, metrics
        self.advantages = [
            tuple(
                advantage if trains(completion, advantage) else math.nan
                for completion, advantage in zip(group.rollout.completions, group.advantages, strict=True)
            )
            for group in training
        ]
        self._trained_anywhere = frozenset(key for part in gather([group.key for group in scored]) for key in part)
        trained = [group.only(trains) for group in training]
        self.tokens = sum(len(one.token_ids) for group in trained for one in group.rollout.completions)
