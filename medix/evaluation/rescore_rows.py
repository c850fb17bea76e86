"""Two scorings of many completions as arrays, one row per completion: 100,000 rows take a few megabytes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from medix.advantages.base import Advantage
from medix.advantages.subset import Subset, advantages_of
from medix.evaluation.rank_change import RankChange, rank_changes
from medix.evaluation.recorded_run import RecordedGroup
from medix.modality import TEXT_ONLY
from medix.reporting.record import CompletionRecord
from medix.rewards.table import RewardTable
from medix.rollout.signal import GroupFilter
from medix.types import Cluster, CompletionScores, RolloutGroup, ScoredGroup, Status

Column = NDArray[np.float64]

ABSENT, NOT_APPLICABLE, UNSCORED, SCORED = range(4)
"""Status of a row in a scoring: absent, because the component or the whole scoring is; or one of three statuses."""

_STATUS = {Status.NOT_APPLICABLE.value: NOT_APPLICABLE, Status.UNSCORED.value: UNSCORED, Status.SCORED.value: SCORED}


@dataclass
class Scoring:
    """One scoring of R rows.

    Attributes:
        total: totals; NaN if unscored or never scored.
        signal: values from which advantages are computed.
        status: ``SCORED``, ``UNSCORED``, or ``ABSENT`` for a row that was never scored.
        advantage: advantages; NaN where there is none.
        values: values of each component; NaN unless scored, and where it stays out of the means.
        statuses: statuses of each component, as they count in means.
    """

    total: Column
    signal: Column
    status: NDArray[np.int8]
    advantage: Column
    values: dict[str, Column]
    statuses: dict[str, NDArray[np.int8]]


@dataclass
class Rows:
    """R completions in N groups, scored twice.

    Attributes:
        group: per row, index of its group.
        step: per row, its step.
        modality: per row, its modality.
        cluster: per row, the unit that intervals are clustered by.
        tokens: per row, number of completion tokens.
        recorded: per row, the recorded advantage; NaN if it was not trained on.
        before: the recorded scoring.
        after: the scoring by the new suite.
        groups: per group, its size.
        has_signal_before: per group, whether it would be trained on: 1 or 0; NaN if it was never scored.
        has_signal_after: the same after rescoring.
        change: per group, the change of the order.
    """

    group: NDArray[np.int64]
    step: NDArray[np.int64]
    modality: NDArray[np.object_]
    cluster: NDArray[np.object_]
    tokens: Column
    recorded: Column
    before: Scoring
    after: Scoring
    groups: NDArray[np.int64]
    has_signal_before: Column
    has_signal_after: Column
    change: RankChange


def before_of(records: Sequence[CompletionRecord]) -> Scoring:
    """The recorded scoring; advantages are computed later, by the same rule for both scorings."""
    names = dict.fromkeys(name for record in records for name in record.components)
    status = [
        SCORED if record.total is not None else UNSCORED if record.is_scored_at_all else ABSENT for record in records
    ]
    entries = {name: [record.components.get(name) for record in records] for name in names}
    return Scoring(
        total=_column([record.total for record in records]),
        signal=_column([record.signal if record.total is not None else None for record in records]),
        status=np.array(status, dtype=np.int8),
        advantage=np.full(len(records), np.nan),
        values={
            name: _column([None if entry is None else entry.in_means[0] for entry in column])
            for name, column in entries.items()
        },
        statuses={
            name: np.array([ABSENT if e is None else _STATUS[e.in_means[1]] for e in column], dtype=np.int8)
            for name, column in entries.items()
        },
    )


def after_of(table: RewardTable) -> Scoring:
    """The scoring by a suite."""
    total = table.total.numpy()
    return Scoring(
        total=total,
        signal=total if table.normalised is None else table.normalised.numpy(),
        status=np.array([_STATUS[status.value] for status in table.status], dtype=np.int8),
        advantage=np.full(len(table), np.nan),
        values={
            name: np.where([status is Status.SCORED for status in scores.status_in_means], scores.value.numpy(), np.nan)
            for name, scores in table.components.items()
        },
        statuses={
            name: np.array([_STATUS[status.value] for status in scores.status_in_means], dtype=np.int8)
            for name, scores in table.components.items()
        },
    )


def rows_of(
    groups: Sequence[RecordedGroup],
    rollouts: Sequence[RolloutGroup],
    table: RewardTable,
    advantage: Advantage,
    group_filter: GroupFilter,
    subset: Subset | None = None,
) -> Rows:
    """Rows of complete groups. Advantages and signals of both scorings are computed by the same rule.

    With a subset, the completions that it does not choose have no advantage.
    """
    records = [record for group in groups for record in group.records]
    before, after = before_of(records), after_of(table)
    sizes = np.array([len(group.records) for group in groups], dtype=np.int64)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]).astype(np.int64)
    change = RankChange(
        np.full(len(groups), np.nan),
        np.full(len(groups), np.nan),
        np.zeros(len(groups), dtype=np.int64),
        np.zeros(len(groups), dtype=np.int64),
    )
    for size in np.unique(sizes[sizes > 1]):
        chosen = np.flatnonzero(sizes == size)
        indices = starts[chosen, None] + np.arange(size)
        for scoring in (before, after):
            signal = torch.from_numpy(scoring.signal[indices])
            all_may = torch.ones_like(signal, dtype=torch.bool)
            scoring.advantage[indices] = advantages_of(advantage, subset, signal, all_may).numpy()
        found = rank_changes(before.signal[indices], after.signal[indices])
        for name in ("tau", "best_changed", "reversed_pairs", "pairs"):
            getattr(change, name)[chosen] = getattr(found, name)
    return Rows(
        group=np.repeat(np.arange(len(groups)), sizes),
        step=np.array([record.step for record in records], dtype=np.int64),
        modality=np.array([record.modality or TEXT_ONLY for record in records], dtype=object),
        cluster=_objects([record.cluster for record in records]),
        tokens=np.array([record.tokens for record in records], dtype=np.float64),
        recorded=_column([record.advantage for record in records]),
        before=before,
        after=after,
        groups=sizes,
        has_signal_before=_have_signal(rollouts, starts, before, group_filter),
        has_signal_after=_have_signal(rollouts, starts, after, group_filter),
        change=change,
    )


def joined(parts: Sequence[Rows]) -> Rows:
    """Concatenate the rows of several parts and renumber the groups."""
    offsets = np.cumsum([0, *(len(part.groups) for part in parts)])
    one = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in (
            "step",
            "modality",
            "tokens",
            "recorded",
            "groups",
            "has_signal_before",
            "has_signal_after",
        )
    }
    return Rows(
        **one,
        cluster=_objects(with_known_datasets([cluster for part in parts for cluster in part.cluster])),
        group=np.concatenate([part.group + offset for part, offset in zip(parts, offsets, strict=False)]),
        before=_joined_scoring([part.before for part in parts]),
        after=_joined_scoring([part.after for part in parts]),
        change=RankChange(
            **{
                name: np.concatenate([getattr(part.change, name) for part in parts])
                for name in ("tau", "best_changed", "reversed_pairs", "pairs")
            }
        ),
    )


def with_known_datasets(clusters: Sequence[Cluster]) -> list[Cluster]:
    """Fill in missing data sets of clusters, where only one data set has a cluster of the same name.

    Lines written before data sets were recorded have none. A run that was resumed later has both kinds of lines, and
    its cases must not be counted twice.
    """
    known: dict[tuple[str, str], set[str]] = {}
    for dataset, kind, name in set(clusters):
        if dataset:
            known.setdefault((kind, name), set()).add(dataset)
    datasets = {key: next(iter(found)) for key, found in known.items() if len(found) == 1}
    return [(dataset or datasets.get((kind, name), ""), kind, name) for dataset, kind, name in clusters]


def _objects(clusters: Sequence[Cluster]) -> NDArray[np.object_]:
    """An array of one object per cluster; ``np.array`` would make a 2-d array of the tuples."""
    return np.fromiter(clusters, dtype=object, count=len(clusters))


def _joined_scoring(parts: Sequence[Scoring]) -> Scoring:
    names = dict.fromkeys(name for part in parts for name in part.values)
    return Scoring(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in ("total", "signal", "status")},
        advantage=np.concatenate([part.advantage for part in parts]),
        values={
            name: np.concatenate([part.values.get(name, np.full(len(part.total), np.nan)) for part in parts])
            for name in names
        },
        statuses={
            name: np.concatenate(
                [part.statuses.get(name, np.full(len(part.total), ABSENT, dtype=np.int8)) for part in parts]
            )
            for name in names
        },
    )


def _have_signal(
    rollouts: Sequence[RolloutGroup], starts: NDArray[np.int64], scoring: Scoring, group_filter: GroupFilter
) -> Column:
    result = []
    totals, signals = scoring.total.tolist(), scoring.signal.tolist()
    for rollout, start in zip(rollouts, starts.tolist(), strict=True):
        indices = range(start, start + len(rollout.completions))
        if all(scoring.status[index] == ABSENT for index in indices):
            result.append(np.nan)
            continue
        scores = tuple(CompletionScores(totals[index], {}, signals[index]) for index in indices)
        result.append(float(group_filter.has_signal(ScoredGroup(rollout, scores))))
    return np.array(result, dtype=np.float64)


def _column(values: Sequence[float | None]) -> Column:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
