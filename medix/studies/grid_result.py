"""What the runs of a grid measured: means over seeds, and paired differences from a baseline."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from medix.evaluation.crossed import crossed_mean
from medix.evaluation.paired import Paired
from medix.evaluation.repeated import Calibration
from medix.evaluation.significance import holm
from medix.evaluation.statistics import Interval
from medix.evaluation.validation import incomparable
from medix.reporting.record import CompletionKey
from medix.reporting.render import plain
from medix.studies.grid import Grid
from medix.studies.grid_run import GridRun, RunState
from medix.studies.measures import MEASURES
from medix.studies.run_result import RunResult, mean
from medix.types import Cluster


@dataclass(frozen=True, slots=True)
class Compared:
    """What a difference is about.

    Attributes:
        left_out: pairs of completions that are not in it, since one or both have no value.
        pairs: all pairs of completions.
        differing: pairs in it whose values are not the same.
        seeds: seeds with a pair in it.
    """

    left_out: int
    pairs: int
    differing: int
    seeds: int


@dataclass(frozen=True)
class CellResult:
    """One row.

    Attributes:
        name: of the combination.
        states: how far its runs are, by seed.
        results: of the runs that are done.
        values: by measure, mean over its runs of the mean over the completions that have a value, with its interval.
        differences: by measure, paired difference from the baseline; none for the baseline itself.
        compared: by measure, what its difference is about.
        incomparable: by measure, why there is no difference.
    """

    name: str
    states: Mapping[int, RunState]
    results: Sequence[RunResult]
    values: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    compared: Mapping[str, Compared]
    incomparable: Mapping[str, str]

    def without(self, measure: str) -> float:
        """Share of the completions of its runs that have no value of a measure; NaN without a run."""
        return mean([result.without(measure) for result in self.results])

    def seeds(self, measure: str) -> int:
        """Number of its runs in which a completion has a value of a measure: the others are not in its mean."""
        return sum(bool(result.measures[measure]) for result in self.results)

    @property
    def abstained(self) -> float:
        """Share of the completions whose answer abstains; NaN without a run."""
        return mean([result.abstained for result in self.results])

    @property
    def unanswered(self) -> float:
        """Share of the samples that ``calibration`` leaves out: their most common answer has no verdict."""
        return mean([1 - len(result.majorities) / result.samples for result in self.results if result.samples])

    @property
    def calibration(self) -> Calibration:
        """Whether agreement among the completions of a sample tells when their majority is right, over all its runs."""
        return Calibration.of([one for result in self.results for one in result.majorities])

    @property
    def seconds(self) -> float:
        """Mean time of its runs that are done; NaN if none is, or if the time of one is not known."""
        return mean([state.seconds for state in self.states.values() if state.status == "done"])


@dataclass(frozen=True)
class GridResult:
    """The results of a grid.

    Attributes:
        grid: the grid.
        cells: in its order.
    """

    grid: Grid
    cells: Sequence[CellResult]

    @classmethod
    def read(cls, grid: Grid, runs: Sequence[GridRun]) -> "GridResult":
        """Read what the runs that are done have written.

        Args:
            grid: the grid.
            runs: all its runs. One that has not ended is ``elsewhere`` while a process has it.
        """
        found: dict[str, dict[int, RunState]] = defaultdict(dict)
        results: dict[str, list[RunResult]] = defaultdict(list)
        for run in sorted(runs, key=lambda run: grid.seeds.index(run.seed)):
            state = run.state()
            if state.status in {"waiting", "stopped"} and run.is_under_way:
                state = replace(state, status="elsewhere")
            if state.status == "done":
                try:
                    result = RunResult.read(run.seed, run.folder)
                    results[run.cell.name].append(result)
                    state = replace(state, reason=" / ".join(result.canaries.faults))
                except ValueError as error:
                    state = RunState("failed", str(error), state.seconds, state.settings)
            found[run.cell.name][run.seed] = state
        baseline = results[grid.baseline]
        cells = [_cell(grid, cell.name, found[cell.name], results[cell.name], baseline) for cell in grid.cells]
        return cls(grid, cells)

    @cached_property
    def adjusted(self) -> Mapping[str, Mapping[str, float]]:
        """P-values of the differences, adjusted by Holm over the cells, by measure and cell."""
        found = {}
        for measure in self.grid.measures:
            compared = [cell for cell in self.cells if measure in cell.differences]
            p_values = holm([cell.differences[measure].p_value for cell in compared])
            found[measure] = {cell.name: p for cell, p in zip(compared, p_values, strict=True)}
        return found

    @property
    def failed(self) -> list[tuple[str, int, str]]:
        """Name, seed and reason of each run that failed."""
        return self._told("failed")

    @property
    def incomplete(self) -> list[tuple[str, int, str]]:
        """The same of each run that is done and lacks files, or has damaged ones, that no number of its row is from."""
        return self._told("done")

    def _told(self, status: str) -> list[tuple[str, int, str]]:
        return [
            (cell.name, seed, state.reason)
            for cell in self.cells
            for seed, state in cell.states.items()
            if state.status == status and (state.reason or status == "failed")
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        grid = self.grid
        cells = [
            {
                "name": cell.name,
                "runs": {str(seed): asdict(state) for seed, state in cell.states.items()},
                "step": max((result.step for result in cell.results), default=None),
                "values": {name: {**asdict(value), "seeds": cell.seeds(name)} for name, value in cell.values.items()},
                "without_value": {name: cell.without(name) for name in MEASURES},
                "differences": {
                    name: {
                        **asdict(value),
                        "p_holm": self.adjusted[name][cell.name],
                        **asdict(cell.compared[name]),
                    }
                    for name, value in cell.differences.items()
                    if name in self.adjusted
                },
                "incomparable": dict(cell.incomparable),
                "abstained": cell.abstained,
                "unscored": mean([result.unscored for result in cell.results]),
                "seconds": cell.seconds,
                "calibration": cell.calibration.to_dict() | {"left_out": cell.unanswered},
                "by_seed": {
                    str(result.seed): {name: mean(list(result.measures[name].values())) for name in MEASURES}
                    for result in cell.results
                },
            }
            for cell in self.cells
        ]
        heads = {"title": grid.title, "note": grid.note, "baseline": grid.baseline, "seeds": list(grid.seeds)}
        found: dict[str, Any] = plain(heads | {"cells": cells, "published": list(grid.published)})
        return found


def _cell(
    grid: Grid, name: str, states: Mapping[int, RunState], results: Sequence[RunResult], baseline: Sequence[RunResult]
) -> CellResult:
    values = {measure: _over(results, measure, is_share) for measure, (_, is_share, _) in MEASURES.items()}
    differences: dict[str, Interval] = {}
    compared: dict[str, Compared] = {}
    differing: dict[str, str] = {}
    if name != grid.baseline and results and baseline:
        for measure in MEASURES:
            reasons = (_why_not(baseline[0], other, measure) for other in (*baseline[1:], *results))
            if why := next(filter(None, reasons), ""):
                differing[measure] = why
                continue
            difference, compared[measure] = _paired(baseline, results, measure)
            if difference.count:
                differences[measure] = difference
    return CellResult(name, states, results, values, differences, compared, differing)


def _over(results: Sequence[RunResult], measure: str, is_share: bool) -> Interval:
    """Mean over runs of the mean over the completions that have a value."""
    clusters = {key: cluster for result in results for key, cluster in result.clusters.items()}
    found = _crossed([result.measures[measure] for result in results], clusters, is_share=is_share)
    return replace(found, p_value=math.nan)  # that a mean, which is no difference, is 0


def _paired(baseline: Sequence[RunResult], results: Sequence[RunResult], measure: str) -> tuple[Interval, Compared]:
    """Mean over the seeds that both have of the gain that ``eval compare`` finds, and what it is about."""
    firsts = {result.seed: result for result in baseline}
    pairs = [(firsts[result.seed], result) for result in results if result.seed in firsts]
    clusters: dict[CompletionKey, Cluster] = {}
    parts, gains = [], []
    for first, second in pairs:
        both = {**first.clusters, **second.clusters}
        clusters |= both
        ours, others = second.measures[measure], first.measures[measure]
        parts.append(
            Paired.of([(others.get(key), ours.get(key), both[key]) for key in both], is_share=MEASURES[measure][1])
        )
        gains.append({key: ours[key] - others[key] for key in both if key in ours and key in others})
    left_out = sum(part.left_out for part in parts)
    known = [part for part in parts if part.pairs]  # a seed without any pair says nothing, as if it had not been run
    found = replace(known[0].gain, p_value=known[0].p_value) if len(known) == 1 else _crossed(gains, clusters)
    differing = sum(map(bool, (one for gain in gains for one in gain.values())))
    if found.error == 0 == found.estimate:
        # differences that cancel, between seeds or within each case, say nothing of an interval, as none does
        p_value = math.nan if differing else found.p_value
        found = replace(found, low=math.nan, high=math.nan, error=math.nan, p_value=p_value)
    return found, Compared(left_out, left_out + sum(part.pairs for part in parts), differing, len(known))


def _crossed(
    runs: Sequence[Mapping[CompletionKey, float]], clusters: Mapping[CompletionKey, Cluster], *, is_share: bool = False
) -> Interval:
    if not any(runs):
        return Interval(math.nan, math.nan, math.nan, 0, 0, "crossed t")
    values = [[run.get(key, math.nan) for key in clusters] for run in runs]
    return crossed_mean(values, list(clusters.values()), is_share=is_share)


def _why_not(baseline: RunResult, other: RunResult, measure: str) -> str:
    """Why a measure of two runs is not compared; of the rewards only the mean reward depends."""
    first, last = (result.validations[-1] for result in (baseline, other))
    return " and ".join(incomparable(first, last, of_rewards=measure == "reward"))
