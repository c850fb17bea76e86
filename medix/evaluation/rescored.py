"""What a second scoring would have changed, over everything and per modality."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medix.evaluation.rank_change import TIE, correlation
from medix.evaluation.rescore_rows import NOT_THERE, SCORED, UNSCORED, Column, Rows, Scoring
from medix.evaluation.statistics import RESAMPLES, Interval, paired_difference
from medix.reporting.render import plain

_FEWER_RESAMPLES = 2_000
_MANY_CLUSTERS = 2_000
"""Clusters above which fewer resamples do: the ends of the interval move by less than a tenth of its width."""


@dataclass(frozen=True)
class Shift:
    """One number of a component or the total, before and after.

    Attributes:
        before: mean over the rows that are scored before; NaN over none.
        after: mean over the rows that are scored after.
        unscored_before: share of unscored rows among those it applies to; NaN where it was not there.
        unscored_after: likewise.
        difference: mean of after - before over the rows with both, with its interval.
    """

    before: float
    after: float
    unscored_before: float
    unscored_after: float
    difference: Interval


@dataclass(frozen=True)
class Slice:
    """Everything, or one modality.

    Attributes:
        name: of the slice.
        completions: rows.
        groups: groups of at least two completions.
        cases: different cases.
        states: completions by what became of their score: ``both``, ``lost`` (scored before only), ``gained`` (after
            only), ``neither``, and ``not scored before`` where no suite had been put to them at all.
        total: the total.
        components: by name, of either suite.
        tau: mean of Kendall's tau-b within groups.
        tau_groups: groups that have one: in both scorings some totals differ.
        best_changed: share of groups in which nothing that was best still is.
        best_groups: groups with two completions that have both totals.
        reversed_groups: share of groups in which some pair changes places.
        signal_before: share of groups that would be trained.
        signal_after: likewise.
        sign_flips: share of completions whose advantage changes its sign.
        advantage_change: mean of the absolute difference of advantages.
        advantages: completions with both advantages.
        length_before: correlation of total and completion tokens within groups; over all rows without groups.
        length_after: likewise.
    """

    name: str
    completions: int
    groups: int
    cases: int
    states: Mapping[str, int]
    total: Shift
    components: Mapping[str, Shift]
    tau: float
    tau_groups: int
    best_changed: float
    best_groups: int
    reversed_groups: float
    signal_before: float
    signal_after: float
    sign_flips: float
    advantage_change: float
    advantages: int
    length_before: float
    length_after: float


@dataclass(frozen=True)
class Correlations:
    """What goes with a component: with the total it is part of, and with length. Within groups where there are any.

    Attributes:
        total_before: with the total on record.
        total_after: with the new total.
        length_before: with completion tokens.
        length_after: likewise.
    """

    total_before: float
    total_after: float
    length_before: float
    length_after: float


@dataclass(frozen=True)
class Rescored:
    """What rescoring a run gives.

    Attributes:
        facts: what was read and what it was scored with, by label.
        notes: what a reader must know before the numbers.
        slices: everything first, then by modality.
        correlations: by component, over everything.
        weights: weights of the other suite, by component.
        steps: mean totals of the rows that have both, by step: step, before, after.
        totals: how many rows fall on each pair of totals, in a grid: before, after, count.
        advantages: the same of advantages.
        taus: how many groups have a rank correlation near each value: value, count.
        examples: completions and groups to look at, by kind.
    """

    facts: Mapping[str, str]
    notes: Sequence[str]
    slices: Sequence[Slice]
    correlations: Mapping[str, Correlations]
    weights: Mapping[str, float]
    steps: Sequence[tuple[int, float, float]]
    totals: Sequence[tuple[float, float, int]]
    advantages: Sequence[tuple[float, float, int]]
    taus: Sequence[tuple[float, int]]
    examples: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, NaN as None."""
        data: dict[str, Any] = plain(asdict(self))
        return data


def summarise(rows: Rows) -> dict[str, Any]:
    """The numbers of ``Rescored``, by name of attribute."""
    names = sorted(set(rows.modality.tolist()))
    everything = np.ones(len(rows.step), dtype=bool)
    slices = [slice_of("All", rows, everything)]
    if len(names) > 1:
        slices += [slice_of(name, rows, rows.modality == name) for name in names]
    both = _both(rows.before.total, rows.after.total)
    return {
        "slices": slices,
        "correlations": _correlations(rows),
        "steps": _by_step(rows, both),
        "totals": _grid(rows.before.total, rows.after.total),
        "advantages": _grid(rows.before.advantage, rows.after.advantage),
        "taus": _histogram(rows.change.tau),
    }


def slice_of(name: str, rows: Rows, chosen: NDArray[np.bool_]) -> Slice:
    """The numbers of some rows; groups lie within a slice whole."""
    group = np.unique(rows.group[chosen])
    several = group[rows.groups[group] > 1]
    before, after = rows.before.advantage[chosen], rows.after.advantage[chosen]
    known = _both(before, after)
    flips = (before * after < 0) & (np.abs(before) > TIE) & (np.abs(after) > TIE)
    pairs = several[rows.change.pairs[several] > 0]
    components = dict.fromkeys((*rows.before.values, *rows.after.values))
    length = _lengths(rows, chosen)
    return Slice(
        name=name,
        completions=int(chosen.sum()),
        groups=len(several),
        cases=len(set(rows.cluster[chosen].tolist())),
        states=_states(rows, chosen),
        total=_shift(rows, chosen, _of_total(rows.before), _of_total(rows.after)),
        components={
            part: _shift(rows, chosen, _of_component(rows.before, part), _of_component(rows.after, part))
            for part in components
        },
        tau=_mean(rows.change.tau[several]),
        tau_groups=_known(rows.change.tau[several]),
        best_changed=_mean(rows.change.best_changed[several]),
        best_groups=_known(rows.change.best_changed[several]),
        reversed_groups=_mean((rows.change.reversed_pairs[pairs] > 0).astype(np.float64)),
        signal_before=_mean(rows.has_signal_before[several]),
        signal_after=_mean(rows.has_signal_after[several]),
        sign_flips=_mean(flips[known].astype(np.float64)),
        advantage_change=_mean(np.abs(after[known] - before[known])),
        advantages=int(known.sum()),
        length_before=length[0],
        length_after=length[1],
    )


def _of_total(scoring: Scoring) -> tuple[Column, NDArray[np.int8]]:
    return scoring.total, scoring.status


def _of_component(scoring: Scoring, name: str) -> tuple[Column, NDArray[np.int8]]:
    rows = len(scoring.total)
    return (
        scoring.values.get(name, np.full(rows, np.nan)),
        scoring.statuses.get(name, np.full(rows, NOT_THERE, dtype=np.int8)),
    )


def _shift(
    rows: Rows,
    chosen: NDArray[np.bool_],
    old: tuple[Column, NDArray[np.int8]],
    new: tuple[Column, NDArray[np.int8]],
) -> Shift:
    before, after = old[0][chosen], new[0][chosen]
    known = _both(before, after)
    clusters = rows.cluster[chosen][known].tolist()
    resamples = RESAMPLES if len(set(clusters)) <= _MANY_CLUSTERS else _FEWER_RESAMPLES
    return Shift(
        before=_mean(before),
        after=_mean(after),
        unscored_before=_unscored(old[1][chosen]),
        unscored_after=_unscored(new[1][chosen]),
        difference=paired_difference(before[known].tolist(), after[known].tolist(), clusters, resamples=resamples),
    )


def _unscored(status: NDArray[np.int8]) -> float:
    applicable = (status == SCORED) | (status == UNSCORED)
    return _mean((status[applicable] == UNSCORED).astype(np.float64))


def _states(rows: Rows, chosen: NDArray[np.bool_]) -> dict[str, int]:
    before, after = rows.before.status[chosen], rows.after.status[chosen]
    return {
        "both": int(((before == SCORED) & (after == SCORED)).sum()),
        "lost": int(((before == SCORED) & (after == UNSCORED)).sum()),
        "gained": int(((before == UNSCORED) & (after == SCORED)).sum()),
        "neither": int(((before == UNSCORED) & (after == UNSCORED)).sum()),
        "not scored before": int((before == NOT_THERE).sum()),
    }


def _lengths(rows: Rows, chosen: NDArray[np.bool_]) -> tuple[float, float]:
    group = _numbered(rows, chosen)
    return (
        correlation(rows.before.total[chosen], rows.tokens[chosen], group),
        correlation(rows.after.total[chosen], rows.tokens[chosen], group),
    )


def _numbered(rows: Rows, chosen: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """Numbers of the rows' groups from 0 up; None where no group has two completions."""
    group = rows.group[chosen]
    if not (rows.groups[group] > 1).any():
        return None
    numbers: NDArray[np.int64] = np.unique(group, return_inverse=True)[1]
    return numbers


def _correlations(rows: Rows) -> dict[str, Correlations]:
    group = _numbered(rows, np.ones(len(rows.step), dtype=bool))
    result = {}
    for name in dict.fromkeys((*rows.before.values, *rows.after.values)):
        before, after = _of_component(rows.before, name)[0], _of_component(rows.after, name)[0]
        result[name] = Correlations(
            total_before=correlation(before, rows.before.total, group),
            total_after=correlation(after, rows.after.total, group),
            length_before=correlation(before, rows.tokens, group),
            length_after=correlation(after, rows.tokens, group),
        )
    return result


def _by_step(rows: Rows, both: NDArray[np.bool_]) -> list[tuple[int, float, float]]:
    steps, step_index = np.unique(rows.step[both], return_inverse=True)
    counts = np.bincount(step_index, minlength=len(steps))
    before = np.bincount(step_index, rows.before.total[both], minlength=len(steps))
    after = np.bincount(step_index, rows.after.total[both], minlength=len(steps))
    columns = zip(steps.tolist(), before.tolist(), after.tolist(), counts.tolist(), strict=True)
    return [(step, old / count, new / count) for step, old, new, count in columns]


def _grid(first: Column, second: Column, cells: int = 25) -> list[tuple[float, float, int]]:
    """How many rows fall in each cell of a grid over both columns; what ties with its neighbours stays one point."""
    known = _both(first, second)
    x, y = first[known], second[known]
    if not len(x):
        return []
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    width = max((high - low) / cells, TIE)
    across, up = np.round((x - low) / width), np.round((y - low) / width)
    cells_hit, index, counts = np.unique(np.stack([across, up]), axis=1, return_inverse=True, return_counts=True)
    index = index.reshape(-1)
    means = [np.bincount(index, column, minlength=cells_hit.shape[1]) / counts for column in (x, y)]
    return [(float(a), float(b), int(n)) for a, b, n in zip(*means, counts, strict=True)]


def _histogram(values: Column, bins: int = 20) -> list[tuple[float, int]]:
    counts, edges = np.histogram(values[~np.isnan(values)], bins=bins, range=(-1.0, 1.0))
    return [(float((a + b) / 2), int(n)) for a, b, n in zip(edges[:-1], edges[1:], counts, strict=True)]


def _both(first: Column, second: Column) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = ~np.isnan(first) & ~np.isnan(second)
    return result


def _mean(values: Column) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _known(values: Column) -> int:
    return int((~np.isnan(values)).sum())
