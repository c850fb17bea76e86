"""The composite reward: a named, weighted sum of components."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torch import Tensor
from torchmetrics import Metric

from medix.distributed import world_size
from medix.judge.base import Judge
from medix.modality import ModalitySet
from medix.rewards.base import RewardBatch, RewardComponent
from medix.rewards.columns import checked_batch, columns_of, given_batch
from medix.rewards.component_scores import component_scores
from medix.rewards.encoder import Encoder
from medix.rewards.judged import JudgedReward
from medix.rewards.means import RunningMeans
from medix.rewards.node_scoring import NodeScoring
from medix.rewards.normalisation import Normalisation
from medix.rewards.scoring import Gather, Score, Scoring, alone, regroup
from medix.rewards.table import RewardTable
from medix.rewards.total import TotalRule
from medix.rewards.weighted import Weighted, check_weights
from medix.spec import spec_file
from medix.types import Completion, JudgeQuestion, Prompt, RolloutGroup, ScoredGroup, Status


class RewardSuite(RunningMeans):
    """Scores completions with every component and keeps running means of the components and the total.

    The total of a row is the weighted mean of the components that apply to it, plus the weighted penalties. It is
    unscored (NaN) if any of these with a non-zero weight is. Weights sum to 1, so that a total without penalties lies
    in [0, 1], and the weight of a component that does not apply is shared by the others.

    Components are not registered as submodules: nothing they hold appears in the parameters or checkpoints of a module
    that holds the suite.

    Args:
        components: rewards by name; their weights must sum to 1.
        penalties: components added to the weighted mean, by name; their weights need not sum to anything, and one that
            does not apply adds nothing.
        judge: for components that ask a judge and have none of their own.
        encoder: for components that need an encoder and have none of their own.
        modalities: the valid tags; the 16 of the paper if not given.
        max_unscored: share of unscored totals in a step above which training stops.
        normalisation: rescales components within a group; advantages are then computed from the sum of normalised
            components, while totals are unchanged. None computes them from the totals.
        ask: where judge and encoder are asked. ``rank``: in every process, while its completions are still being
            sampled. ``node``: in the first process of each node, for all of its processes, once all completions are
            there (``NodeScoring``): an encoder or a judge in the process is then loaded once on each node.
    """

    def __init__(
        self,
        components: dict[str, Weighted],
        penalties: dict[str, Weighted] | None = None,
        judge: Judge | None = None,
        encoder: Encoder | None = None,
        modalities: ModalitySet | Sequence[str] | None = None,
        max_unscored: float = 0.2,
        normalisation: Normalisation | None = None,
        ask: Literal["rank", "node"] = "rank",
    ) -> None:
        super().__init__()
        penalties = penalties or {}
        check_weights(components, penalties)
        if not 0 <= max_unscored <= 1:
            raise ValueError(f"rewards.max_unscored: {max_unscored} is not a share; give a number from 0 to 1")
        self.max_unscored = max_unscored
        self.ask = ask
        entries = components | penalties
        self._rule = TotalRule(
            weights={name: entry.weight for name, entry in components.items()},
            penalties={name: entry.weight for name, entry in penalties.items()},
            gates={name: entry.gate for name, entry in entries.items() if entry.gate is not None},
            normalisation=normalisation,
        )
        # a plain dict, which nn.Module does not register
        self._parts = {name: entry.reward for name, entry in entries.items()}
        for name, part in self._parts.items():
            if isinstance(part, RunningMeans) and not hasattr(part, "device"):
                kind = f"{type(part).__module__}.{type(part).__qualname__}"
                raise ValueError(f"rewards: {name}: call super().__init__() first in the constructor of {kind}")
            if getattr(part, "_is_in_suite", False):  # running means are of one place in one suite
                self._parts[name] = part = part.fresh()
            part._is_in_suite = True
        if modalities is not None:
            self.use_modalities(ModalitySet.of(modalities))
        self._give(judge, encoder, replace=False)

    @classmethod
    def from_spec(cls, path: str | Path, judge: Judge | None = None, encoder: Encoder | None = None) -> "RewardSuite":
        """Build a suite from a YAML file, as in any other spec.

        Args:
            path: a file, or the name of a shipped one (``rewards_medical``).
            judge: replaces the judge of every component.
            encoder: replaces the encoder of every component.

        Raises:
            FileNotFoundError: no such file.
            ValueError: the file does not describe a suite.
        """
        found = spec_file.find(path, "rewards_")
        try:
            suite = spec_file.build(cls, "rewards", found)
        except ValueError as error:
            raise ValueError(f"{found}: {error}") from error
        suite._give(judge, encoder, replace=True)
        return suite

    @property
    def components(self) -> Mapping[str, RewardComponent]:
        """Components by name, penalties last."""
        return self._parts

    @property
    def weights(self) -> Mapping[str, float]:
        """Weights by name, penalties last."""
        return {**self._rule.weights, **self._rule.penalties}

    def use_judge(self, judge: Judge, *, replace: bool = True) -> None:
        """Give every component a judge; without ``replace``, only those that have none."""
        self._give(judge, None, replace=replace)

    def use_encoder(self, encoder: Encoder, *, replace: bool = True) -> None:
        """Give every component an encoder; without ``replace``, only those that have none."""
        self._give(None, encoder, replace=replace)

    def _give(self, judge: Judge | None, encoder: Encoder | None, *, replace: bool) -> None:
        for part in self._parts.values():
            if judge is not None:
                part.use_judge(judge, replace=replace)
            if encoder is not None:
                part.use_encoder(encoder, replace=replace)

    def use_modalities(self, modalities: ModalitySet) -> None:
        """Use another modality set; resets the running means."""
        super().use_modalities(modalities)
        for part in getattr(self, "_parts", {}).values():
            part.use_modalities(modalities)

    def score(
        self,
        *,
        completions: Sequence[str],
        references: Sequence[str],
        questions: Sequence[str],
        modalities: Sequence[str | None],
        aliases: Sequence[Sequence[str]] | None = None,
        sources: Sequence[str] | None = None,
        token_counts: Sequence[int | None] | None = None,
        truncated: Sequence[bool] | None = None,
        groups: Sequence[Hashable] | None = None,
    ) -> RewardTable:
        """Score N completions without updating the running means. Never raises for a row that cannot be scored.

        Args:
            completions: full texts that the policy wrote.
            references: reference answers, without the tag that they open with in the public data.
            questions: questions, without image placeholders.
            modalities: names without brackets; None for a text-only sample.
            aliases: further texts accepted as the reference.
            sources: data set of each sample.
            token_counts: completion tokens; only length penalties need them.
            truncated: whether the token limit cut the completion.
            groups: a key per completion, equal for completions of one prompt; only a normalisation needs it.

        Raises:
            ValueError: columns of different lengths, a modality outside the set, a reference that opens with a tag, or
                a normalisation without groups.
        """
        rows = len(completions)
        columns = {
            "completions": completions,
            "references": references,
            "questions": questions,
            "modalities": modalities,
            "aliases": [()] * rows if aliases is None else aliases,
            "sources": [""] * rows if sources is None else sources,
            "token_counts": [None] * rows if token_counts is None else token_counts,
            "truncated": [False] * rows if truncated is None else truncated,
        }
        if groups is not None and len(groups) != rows:
            raise ValueError(f"groups: one entry per completion is needed, got {len(groups)} for {rows}")
        return self._score(given_batch(columns, self.modalities), groups)

    def update(
        self,
        *,
        completions: Sequence[str],
        references: Sequence[str],
        questions: Sequence[str],
        modalities: Sequence[str | None],
        aliases: Sequence[Sequence[str]] | None = None,
        sources: Sequence[str] | None = None,
        token_counts: Sequence[int | None] | None = None,
        truncated: Sequence[bool] | None = None,
        groups: Sequence[Hashable] | None = None,
    ) -> None:
        """Score completions, with the arguments of ``score``, and add them to the running means.

        They are written out because a ``MetricCollection`` gives each metric the arguments that its ``update`` names.
        """
        table = self.score(
            completions=completions,
            references=references,
            questions=questions,
            modalities=modalities,
            aliases=aliases,
            sources=sources,
            token_counts=token_counts,
            truncated=truncated,
            groups=groups,
        )
        self.accumulate(table, modalities)

    def accumulate(self, table: RewardTable, modalities: Sequence[str | None]) -> None:
        """Add rows that were already scored, without asking a judge again."""
        self.add(table.total, table.status, modalities)
        for name, part in self._parts.items():
            part.accumulate(table[name], modalities)

    def compute(self) -> dict[str, Tensor]:
        """Running means over all rows of all processes: ``reward/<name>``, ``reward/<name>/<modality>`` and
        ``reward/<name>/unscored`` for the total and each component. Always the same keys; NaN if there are no rows.
        """
        result = _keyed("total", super().compute())
        for name, part in self._parts.items():
            result |= _keyed(name, type(part).compute(part))  # unwrapped: ``sync`` has synchronised it with the suite
        return result

    def sync(
        self,
        dist_sync_fn: Callable[..., Any] | None = None,
        process_group: Any | None = None,
        should_sync: bool = True,
        distributed_available: Callable[..., Any] | None = None,
    ) -> None:
        """Sum the states of the suite and of every component over all processes."""
        super().sync(dist_sync_fn, process_group, should_sync, distributed_available)
        if self._is_synced and should_sync:
            for part in self._parts.values():
                part.sync(dist_sync_fn, process_group or self.process_group, True, lambda: True)

    def unsync(self, should_unsync: bool = True) -> None:
        """Restore the states of this process."""
        super().unsync(should_unsync)
        if should_unsync:
            for part in self._parts.values():
                part.unsync()

    @property
    def metric_state(self) -> dict[str, Any]:
        """The states of the suite, and under ``components`` those of every component by name."""
        return super().metric_state | {"components": {name: part.metric_state for name, part in self._parts.items()}}

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Add the rows of another suite, or those of its ``metric_state``: of the total and of every component.

        Raises:
            ValueError: its components, weights or modalities are others, or it is synchronised at the moment.
        """
        if isinstance(incoming_state, Metric):
            self._check_mergeable(incoming_state)
            incoming_state = incoming_state.metric_state
        states = incoming_state.get("components") if isinstance(incoming_state, dict) else None
        if not isinstance(states, Mapping) or set(states) != set(self._parts):
            given = ", ".join(states) if isinstance(states, Mapping) else "none"
            raise ValueError(
                f"RewardSuite.merge_state: the states of the components {', '.join(self._parts)} are needed, got those "
                f"of {given}; give a suite with these components, or its metric_state"
            )
        super().merge_state(incoming_state)
        for name, part in self._parts.items():
            part.merge_state(states[name])

    def _check_mergeable(self, other: Metric) -> None:
        super()._check_mergeable(other)
        assert isinstance(other, RewardSuite)
        if dict(other.weights) != dict(self.weights):
            raise ValueError(
                f"RewardSuite.merge_state: totals with the weights {dict(other.weights)} are not those of this suite, "
                f"{dict(self.weights)}; give a suite with the same components and weights"
            )
        for name, part in self._parts.items():
            part._check_mergeable(other.components[name])

    def forward(self, **columns: Any) -> dict[str, Tensor]:
        """Add rows to the running means; returns the means of these rows only, on this process."""
        table = self.score(**columns)
        self.accumulate(table, columns["modalities"])
        alone = self.fresh()
        alone.accumulate(table, columns["modalities"])
        alone._to_sync = False
        return alone.compute()

    def reset(self) -> None:
        """Reset the running means of the total and of every component."""
        super().reset()
        for part in self._parts.values():
            part.reset()

    def fresh(self) -> "RewardSuite":
        """A second suite with the same judges and encoders, and separate running means."""
        other = self._shallow()
        other._parts = {name: part.fresh() for name, part in self._parts.items()}
        other.reset()
        return other

    def persistent(self, mode: bool = False) -> None:
        """Whether state dicts hold the running means, of the total and of every component; at first they do not."""
        super().persistent(mode)
        for part in self._parts.values():
            part.persistent(mode)

    def state_dict(  # type: ignore[override]  # the order of torchmetrics
        self, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """The running means, if they are persistent; those of components under ``components.<name>.``."""
        found: dict[str, Any] = super().state_dict(destination, prefix, keep_vars)
        for key, (part, state) in self._states_of_parts(prefix).items():
            if part._persistent[state]:
                found[key] = getattr(part, state).detach().clone()
        return found

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for key, (part, state) in self._states_of_parts(prefix).items():
            if key in state_dict:
                setattr(part, state, state_dict.pop(key))
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _states_of_parts(self, prefix: str) -> dict[str, tuple[RewardComponent, str]]:
        """Component and state by the key in a state dict; nothing else that a component holds is part of one."""
        parts = self._parts.items()
        return {f"{prefix}components.{name}.{state}": (part, state) for name, part in parts for state in part._defaults}

    def _apply(  # type: ignore[override]  # the order of torchmetrics
        self,
        fn: Callable[..., Any],
        exclude_state: Sequence[str] = "",
        recurse: bool = True,
    ) -> "RewardSuite":
        """Move the running means of the components with the suite's own."""
        super()._apply(fn, exclude_state, recurse)
        for part in self._parts.values():
            part._apply(fn)
        return self

    def open(self) -> Scoring:
        """Begin a step: completions can be submitted before their groups are complete."""
        start = self.start if self._scorer == self._by_rank else _start_nothing
        return Scoring(start, self._scorer, self.max_unscored)

    @property
    def _scorer(self) -> Score:
        by_node = self.ask == "node" and world_size() > 1
        return NodeScoring(self._score, self.modalities) if by_node else self._by_rank

    def _by_rank(self, groups: Sequence[RolloutGroup], gather: Gather) -> RewardTable:  # noqa: ARG002  # see NodeScoring
        return self.score_rollouts(groups)

    def start(self, prompt: Prompt, completion: Completion) -> None:
        """Start slow work on one completion, whose result ``score_rollouts`` will use."""
        batch = checked_batch(columns_of([(prompt, completion)]), self.modalities)
        for part in self._parts.values():
            part.start(batch)

    def score_groups(self, groups: Sequence[RolloutGroup], gather: Gather = alone) -> list[ScoredGroup]:
        """Score all completions of all groups at once, however many of them are unscored.

        Args:
            groups: of this process.
            gather: collects data from every process, all of which must call this where ``ask`` is ``node``; alone, a
                process asks by itself.
        """
        score = self._by_rank if gather is alone else self._scorer
        return regroup(score(groups, gather), groups)

    def asked(self, groups: Sequence[RolloutGroup]) -> dict[str, list[JudgeQuestion | None]]:
        """What each component asks its judge, in the order of groups and completions; by name, for those that ask."""
        rows = [(group.prompt, completion) for group in groups for completion in group.completions]
        batch = checked_batch(columns_of(rows), self.modalities)
        return {name: part.questions(batch) for name, part in self._parts.items() if isinstance(part, JudgedReward)}

    def score_rollouts(self, groups: Sequence[RolloutGroup]) -> RewardTable:
        """The same as one table, in the order of groups and completions."""
        rows = [(group.prompt, completion) for group in groups for completion in group.completions]
        members = [index for index, group in enumerate(groups) for _ in group.completions]
        return self._score(checked_batch(columns_of(rows), self.modalities), members)

    def _score(self, batch: RewardBatch, groups: Sequence[Hashable] | None) -> RewardTable:
        if self._rule.normalisation is not None and groups is None:
            raise ValueError(
                "rewards.normalisation: components are normalised within groups, and no groups were given; pass "
                "groups=[...] with one entry per completion, or leave the normalisation out"
            )
        scores, seconds = component_scores(self._parts, batch)
        found = self._rule(scores, groups, len(batch))
        status = tuple(Status.UNSCORED if text else Status.SCORED for text in found.reason)
        return RewardTable(found.total, status, found.reason, scores, found.normalised, seconds)


def _start_nothing(prompt: Prompt, completion: Completion) -> None:
    """The rank that asks is told of completions when all of them are there."""


def _keyed(name: str, means: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"reward/{name}/{key}" if key else f"reward/{name}": value for key, value in means.items()}
