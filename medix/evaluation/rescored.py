"""Changes between two scorings, overall and per modality."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medix.evaluation.rank_change import TIE, correlation
from medix.evaluation.rescore_rows import ABSENT, SCORED, UNSCORED, Column, Rows, Scoring
from medix.evaluation.statistics import Interval, paired_difference
from medix.reporting.render import plain


@dataclass(frozen=True)
class Shift:
    """Mean of the total or of a component, before and after.

    Attributes:
        before: mean over the rows that are scored before; NaN if there are none.
        after: mean over the rows that are scored after.
        unscored_before: share of unscored rows among those that it applies to; NaN if it was absent.
        unscored_after: the same after rescoring.
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
        name: name of the slice.
        completions: number of rows.
        groups: number of groups with at least two completions.
        cases: number of distinct cases.
        states: number of completions by state: scored in ``both``, ``lost`` (only before), ``gained`` (only after),
            ``neither``, and ``not scored before`` if no suite was applied to them before.
        total: the total.
        components: components of either suite, by name.
        tau: mean of Kendall's tau-b within groups.
        tau_groups: number of groups that have a tau-b, because totals differ in both scorings.
        best_changed: share of groups in which none of the best completions before is among the best after.
        best_groups: number of groups with at least two completions that have both totals.
        reversed_groups: share of groups in which the order of some pair is reversed.
        signal_before: share of groups that would be trained on.
        signal_after: the same after rescoring.
        sign_flips: share of completions whose advantage changes sign.
        advantage_change: mean absolute difference of advantages.
        advantages: number of completions with both advantages.
        length_before: correlation of total and completion tokens within groups; over all rows if there are no groups.
        length_after: the same after rescoring.
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
    """Correlations of a component with the total and with length, within groups if there are any.

    Attributes:
        total_before: with the recorded total.
        total_after: with the new total.
        length_before: with the number of completion tokens.
        length_after: the same after rescoring.
    """

    total_before: float
    total_after: float
    length_before: float
    length_after: float


@dataclass(frozen=True)
class Rescored:
    """The result of rescoring a run.

    Attributes:
        facts: the input and the suite, by label.
        notes: notes that a reader needs to interpret the numbers.
        slices: everything first, then by modality.
        correlations: by component, over everything.
        weights: weights of the new suite, by component.
        steps: mean totals of the rows that have both, by step: step, before, after.
        totals: 2-d histogram of the totals: before, after, count.
        advantages: 2-d histogram of the advantages.
        taus: histogram of the rank correlations: value, count.
        examples: example completions, by kind.
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
    """The numeric attributes of ``Rescored``, by name."""
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
    """The numbers of a slice, which contains complete groups."""
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
        scoring.statuses.get(name, np.full(rows, ABSENT, dtype=np.int8)),
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
    return Shift(
        before=_mean(before),
        after=_mean(after),
        unscored_before=_unscored(old[1][chosen]),
        unscored_after=_unscored(new[1][chosen]),
        difference=paired_difference(before[known].tolist(), after[known].tolist(), clusters),
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
        "not scored before": int((before == ABSENT).sum()),
    }


def _lengths(rows: Rows, chosen: NDArray[np.bool_]) -> tuple[float, float]:
    group = _numbered(rows, chosen)
    return (
        correlation(rows.before.total[chosen], rows.tokens[chosen], group),
        correlation(rows.after.total[chosen], rows.tokens[chosen], group),
    )


def _numbered(rows: Rows, chosen: NDArray[np.bool_]) -> NDArray[np.int64] | None:
    """Indices of the rows' groups, starting at 0; None if no group has two completions."""
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
    """2-d histogram of two columns: mean of both and number of rows, for each cell that is not empty."""
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
