"""The composite reward: a named, weighted sum of components."""

import math
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medix import spec_file
from medix.judge.base import Judge
from medix.modality import ModalitySet
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent
from medix.rewards.encoder import Encoder
from medix.rewards.means import RunningMeans
from medix.rewards.normalisation import Normalisation
from medix.rewards.scoring import Scoring, regroup
from medix.rewards.table import RewardTable
from medix.rewards.total import TotalRule
from medix.rewards.weighted import Weighted
from medix.types import Completion, Prompt, RolloutGroup, ScoredGroup, Status


class RewardSuite(RunningMeans):
    """Scores completions with every component and keeps running means of the components and the total.

    The total of a row is the weighted mean of the components that apply to it, plus the weighted penalties. It is
    unscored (NaN) if any of them that has a weight is. Weights sum to 1, so that a total without penalties lies in
    [0, 1] and the weight of a component that does not apply is shared by the others.

    Components are kept out of torch's sight: whatever they hold reaches neither the parameters nor the checkpoints of a
    module that holds the suite.

    Args:
        components: rewards by name; their weights must sum to 1.
        penalties: components added on top, by name; their weights are free, and one that does not apply adds nothing.
        judge: given to components that ask a judge and have none of their own.
        encoder: given to components that need an encoder and have none of their own.
        modalities: the tags that count; the 16 of the paper if not given.
        max_unscored: share of unscored totals in a step above which training stops.
        normalisation: brings components to one scale within a group; advantages are then taken of the sum of
            normalised components, while totals stay as they are. None takes them of the totals.
    """

    def __init__(
        self,
        components: dict[str, Weighted],
        penalties: dict[str, Weighted] | None = None,
        judge: Judge | None = None,
        encoder: Encoder | None = None,
        modalities: ModalitySet | None = None,
        max_unscored: float = 0.2,
        normalisation: Normalisation | None = None,
    ) -> None:
        super().__init__()
        penalties = penalties or {}
        _check(components, penalties)
        if not 0 <= max_unscored <= 1:
            raise ValueError(f"rewards.max_unscored: {max_unscored} is no share; give a number from 0 to 1")
        self.max_unscored = max_unscored
        entries = components | penalties
        self._rule = TotalRule(
            weights={name: entry.weight for name, entry in components.items()},
            penalties={name: entry.weight for name, entry in penalties.items()},
            gates={name: entry.gate for name, entry in entries.items() if entry.gate is not None},
            normalisation=normalisation,
        )
        # a plain dict: nn.Module registers neither it nor what is in it
        self._parts = {name: entry.reward for name, entry in entries.items()}
        if modalities is not None:
            self.use_modalities(modalities)
        self._give(judge, encoder, replace=False)

    @classmethod
    def from_spec(cls, path: str | Path, judge: Judge | None = None, encoder: Encoder | None = None) -> "RewardSuite":
        """Build a suite from a YAML file, by the rules of every other spec.

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
        """Take another modality set; forgets the running means."""
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
        """Score N completions. Leaves the running means alone, and never raises for a row it cannot score.

        Args:
            completions: what the policy wrote, whole.
            references: reference answers.
            questions: questions, without image placeholders.
            modalities: names without brackets; None for a text-only sample.
            aliases: further texts that count as the reference.
            sources: where each sample comes from.
            token_counts: completion tokens; only length penalties need them.
            truncated: whether the token limit cut the completion.
            groups: what the completions of one prompt have in common; only a normalisation needs it.

        Raises:
            ValueError: columns of different lengths, a modality outside the set, or a normalisation without groups.
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
        return self._score(_batch(columns, self.modalities), groups)

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
        """Add rows that were scored already: a judge is not asked twice."""
        self.add(table.total, table.status, modalities)
        for name, part in self._parts.items():
            part.accumulate(table[name], modalities)

    def compute(self) -> dict[str, Tensor]:
        """Running means over all rows of all processes: ``reward/<name>``, ``reward/<name>/<modality>`` and
        ``reward/<name>/unscored`` for the total and each component. Always the same keys; NaN over no rows.
        """
        result = _keyed("total", super().compute())
        for name, part in self._parts.items():
            result |= _keyed(name, part.compute())
        return result

    def forward(self, **columns: Any) -> dict[str, Tensor]:
        """Add rows to the running means; returns the means of these rows alone, on this process."""
        table = self.score(**columns)
        self.accumulate(table, columns["modalities"])
        alone = self.fresh()
        alone.accumulate(table, columns["modalities"])
        for metric in (alone, *alone.components.values()):
            metric._to_sync = False
        return alone.compute()

    def reset(self) -> None:
        """Forget the running means of the total and of every component."""
        super().reset()
        for part in self._parts.values():
            part.reset()

    def fresh(self) -> "RewardSuite":
        """A second suite over the same judges and encoders, with running means of its own."""
        other = self._shallow()
        other._parts = {name: part.fresh() for name, part in self._parts.items()}
        other.reset()
        return other

    def _apply(self, fn: Callable[..., Any], exclude_state: Sequence[str] = "") -> "RewardSuite":
        """Move the running means of the components along with the suite's own."""
        super()._apply(fn, exclude_state)
        for part in self._parts.values():
            part._apply(fn)
        return self

    def open(self) -> Scoring:
        """Begin a step: completions can be submitted before their groups are complete."""
        return Scoring(self)

    def start(self, prompt: Prompt, completion: Completion) -> None:
        """Begin slow work on one completion; ``score`` will find it begun."""
        batch = _batch(_columns([(prompt, completion)]), self.modalities)
        for part in self._parts.values():
            part.start(batch)

    def score_groups(self, groups: Sequence[RolloutGroup]) -> list[ScoredGroup]:
        """Score all completions of all groups at once, however many of them are unscored."""
        return regroup(self.score_rollouts(groups), groups)

    def score_rollouts(self, groups: Sequence[RolloutGroup]) -> RewardTable:
        """The same as one table, in the order of groups and completions."""
        rows = [(group.prompt, completion) for group in groups for completion in group.completions]
        members = [index for index, group in enumerate(groups) for _ in group.completions]
        return self._score(_batch(_columns(rows), self.modalities), members)

    def _score(self, batch: RewardBatch, groups: Sequence[Hashable] | None) -> RewardTable:
        if self._rule.normalisation is not None and groups is None:
            raise ValueError(
                "rewards.normalisation: components are normalised within groups, and no groups were given; pass "
                "groups=[...] with one entry per completion, or leave the normalisation out"
            )
        scores, seconds = self._scores(batch)
        found = self._rule(scores, groups, len(batch))
        status = tuple(Status.UNSCORED if text else Status.SCORED for text in found.reason)
        return RewardTable(found.total, status, found.reason, scores, found.normalised, seconds)

    def _scores(self, batch: RewardBatch) -> tuple[dict[str, ComponentScores], dict[str, float]]:
        """What every component says, and the seconds each took.

        Components that can begin slow work elsewhere begin it first and are waited for last: the encoder computes
        while the judge is being asked.
        """
        seconds = dict.fromkeys(self._parts, 0.0)
        waiting = [name for name, part in self._parts.items() if type(part).start is not RewardComponent.start]
        for name in waiting:
            with _timed(seconds, name), _named(name, self._parts[name]):
                self._parts[name].start(batch)
        found: dict[str, ComponentScores] = {}
        for name in (*(name for name in self._parts if name not in waiting), *waiting):
            with _timed(seconds, name), _named(name, self._parts[name]):
                found[name] = _scores_of(name, self._parts[name], batch)
        return {name: found[name] for name in self._parts}, seconds


def _keyed(name: str, means: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"reward/{name}/{key}" if key else f"reward/{name}": value for key, value in means.items()}


def _columns(rows: Sequence[tuple[Prompt, Completion]]) -> dict[str, Sequence[Any]]:
    return {
        "completions": [completion.text for _, completion in rows],
        "references": [prompt.sample.reference for prompt, _ in rows],
        "questions": [prompt.sample.question for prompt, _ in rows],
        "modalities": [prompt.sample.modality for prompt, _ in rows],
        "aliases": [prompt.sample.aliases for prompt, _ in rows],
        "sources": [prompt.sample.source for prompt, _ in rows],
        "token_counts": [len(completion.token_ids) for _, completion in rows],
        "truncated": [completion.is_truncated for _, completion in rows],
    }


def _batch(columns: Mapping[str, Sequence[Any]], modalities: ModalitySet) -> RewardBatch:
    """Check the columns and make a batch of them."""
    single = [name for name, column in columns.items() if isinstance(column, str)]
    if single:
        raise ValueError(f"{', '.join(single)}: one text was given; give a list with one entry per completion")
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        given = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"every column needs one entry per completion; got {given}")
    for name in ("completions", "references", "questions"):
        for row, text in enumerate(columns[name]):
            if not isinstance(text, str):
                raise ValueError(f"{name}[{row}]: {text!r} is not a text; give one, further references as aliases")
    for row, aliases in enumerate(columns["aliases"]):
        if isinstance(aliases, str):
            raise ValueError(f"aliases[{row}]: {aliases!r} is one text; give a list of texts")
        for alias in aliases:
            if not isinstance(alias, str):
                raise ValueError(f"aliases[{row}]: {alias!r} is not a text")
    for modality in columns["modalities"]:
        if modality is not None:
            modalities.require(modality)
    return RewardBatch(**columns, modality_set=modalities)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] += time.perf_counter() - start


@contextmanager
def _named(name: str, part: RewardComponent) -> Iterator[None]:
    """Say in which component an exception came up."""
    try:
        yield
    except Exception as error:
        error.add_note(f"in component {name!r} of the reward suite ({type(part).__name__})")
        raise


def _scores_of(name: str, part: RewardComponent, batch: RewardBatch) -> ComponentScores:
    """Score with one component and hold it to its contract."""
    scores = part.score(batch)
    if not isinstance(scores, ComponentScores) or scores.value.ndim != 1:
        given = type(scores).__name__ if not isinstance(scores, ComponentScores) else f"shape {scores.value.shape}"
        raise ValueError(
            f"component {name!r} ({type(part).__name__}) gave {given}; score must return ComponentScores with one "
            "value per row: ComponentScores.of([...]) makes them of numbers"
        )
    if len(scores.value) != len(batch) or len(scores.status) != len(batch):
        raise ValueError(
            f"component {name!r} ({type(part).__name__}) scored {len(scores.value)} rows of {len(batch)}; "
            "score must return one value and one status per row"
        )
    value = scores.value.detach().to("cpu", torch.float64)
    broken = [
        row
        for row, (status, finite) in enumerate(zip(scores.status, value.isfinite().tolist(), strict=True))
        if status is Status.SCORED and not finite
    ]
    status, reason = list(scores.status), list(scores.reason) or [""] * len(batch)
    for row in broken:
        status[row], reason[row] = Status.UNSCORED, f"the component gave {value[row].item()}"
    is_scored = torch.tensor([entry is Status.SCORED for entry in status], dtype=torch.bool)
    return ComponentScores(torch.where(is_scored, value, math.nan), tuple(status), tuple(reason), scores.verdicts)


def _check(components: Mapping[str, Weighted], penalties: Mapping[str, Weighted]) -> None:
    weights = {name: entry.weight for name, entry in (*components.items(), *penalties.items())}
    listed = ", ".join(f"{name} {entry.weight:g}" for name, entry in components.items())
    if not components:
        raise ValueError("rewards.components: a suite needs at least one component")
    twice = components.keys() & penalties.keys()
    if twice:
        raise ValueError(f"rewards.penalties: {', '.join(sorted(twice))} is the name of a component too; rename it")
    for name, weight in weights.items():
        if name in {"", "total"} or set(name) & set("/."):
            raise ValueError(f"rewards.components: {name!r} cannot be a name; give one without / and ., and not total")
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"rewards.components.{name}.weight: {weight} must be a number from 0 up")
    for name, entry in (*components.items(), *penalties.items()):
        if entry.gate is not None and (entry.gate.component not in weights or entry.gate.component == name):
            others = ", ".join(sorted(weights.keys() - {name}))
            raise ValueError(
                f"rewards.components.{name}.gate.component: {entry.gate.component!r} is no other component of the "
                f"suite; there are {others or 'none'}"
            )
    total = math.fsum(entry.weight for entry in components.values())
    if abs(total - 1) > 1e-6:
        raise ValueError(
            f"rewards.components: weights must sum to 1, got {total:g} from {listed}; scale them "
            f"(divide each by {total:g}), or move what shall come on top to rewards.penalties"
        )
