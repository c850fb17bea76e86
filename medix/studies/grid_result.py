"""What the runs of a grid measured: means over seeds, and paired differences from a baseline."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from medix.evaluation.crossed import crossed_mean
from medix.evaluation.repeated import Calibration, MajorityAnswer, majority
from medix.evaluation.scored_completion import ScoredCompletion
from medix.evaluation.statistics import Interval, holm
from medix.evaluation.validation import incomparable
from medix.reporting.evaluations import read_report
from medix.reporting.record import CompletionRecord, read_records
from medix.reporting.render import plain
from medix.rewards.abstention import AbstentionAnswer
from medix.studies.grid import Grid
from medix.studies.grid_run import GridRun, RunState
from medix.studies.measures import MEASURES
from medix.types import Cluster, SampleKey

_OF_REWARDS = ("rewards", "judge", "own_judges")
"""Parts of what a validation was measured with that only rewards depend on."""


@dataclass(frozen=True)
class RunResult:
    """The last validation of one run, and its curves.

    Attributes:
        seed: its seed.
        step: of the last validation.
        measures: by name, mean over the completions of each sample that have a value.
        clusters: the case of each sample.
        abstained: share of completions whose answer abstains.
        unscored: share of completions without a verdict.
        majorities: the most common answer to each sample; one that abstains has confidence 0.
        validations: as the run's report has them, in order.
        steps: metrics of each training step, as the run's report has them.
        canaries: step and share of attacks that the judge accepted, of each check by the callback ``CheckJudge``.
    """

    seed: int
    step: int
    measures: Mapping[str, Mapping[SampleKey, float]]
    clusters: Mapping[SampleKey, Cluster]
    abstained: float
    unscored: float
    majorities: Sequence[MajorityAnswer]
    validations: Sequence[Mapping[str, Any]]
    steps: Sequence[Mapping[str, float]]
    canaries: Sequence[Mapping[str, float | None]]

    @classmethod
    def read(cls, seed: int, folder: Path) -> "RunResult":
        """Read the last validation of a run.

        Raises:
            ValueError: the run has no validations, or no report.
        """
        files = sorted((folder / "completions").glob("val-step-*.jsonl"))
        report = read_report(folder)
        if not files or not report.get("validations"):
            missing = "report.json with validations" if files else "completions/val-step-*.jsonl"
            raise ValueError(
                f"{folder}: has no {missing}; the spec of a grid needs data.val and the callbacks JudgeValidation, "
                "RecordCompletions and WriteReport"
            )
        by_sample: dict[SampleKey, list[CompletionRecord]] = defaultdict(list)
        for record in read_records(files[-1]):
            by_sample[record.sample_key].append(record)
        records = [record for group in by_sample.values() for record in group]
        return cls(
            seed=seed,
            step=int(files[-1].stem.rpartition("-")[2]),
            measures={
                name: {
                    key: sum(values) / len(values)
                    for key, group in by_sample.items()
                    if (values := [value for record in group if (value := measure(record)) is not None])
                }
                for name, (_, _, measure) in MEASURES.items()
            },
            clusters={key: group[0].cluster for key, group in by_sample.items()},
            abstained=_mean([float(_abstains(record.answer)) for record in records]),
            unscored=_mean([float(record.credit is None) for record in records]),
            majorities=[found for group in by_sample.values() if (found := _majority(group)) is not None],
            validations=report["validations"],
            steps=report.get("steps") or [],
            canaries=[_canaries(file) for file in sorted(folder.glob("canaries-step-*.json"))],
        )


@dataclass(frozen=True)
class CellResult:
    """One row.

    Attributes:
        name: of the combination.
        states: how far its runs are, by seed.
        results: of the runs that are done.
        values: by measure, mean over seeds and samples with its interval.
        differences: by measure, paired difference from the baseline; none for the baseline itself.
        incomparable: by measure, why there is no difference.
    """

    name: str
    states: Mapping[int, RunState]
    results: Sequence[RunResult]
    values: Mapping[str, Interval]
    differences: Mapping[str, Interval]
    incomparable: Mapping[str, str]

    @property
    def calibration(self) -> Calibration:
        """Whether agreement among the completions of a sample tells when their majority is right, over all its runs."""
        return Calibration.of([one for result in self.results for one in result.majorities])

    @property
    def seconds(self) -> float:
        """Mean time of its runs that are done; NaN if none is."""
        done = [state.seconds for state in self.states.values() if state.status == "done"]
        return sum(done) / len(done) if done else math.nan


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
    def read(cls, grid: Grid, runs: Sequence[GridRun], states: Mapping[str, RunState]) -> "GridResult":
        """Read what the runs that are done have written.

        Args:
            grid: the grid.
            runs: all its runs.
            states: of runs by name, as they ended in this process. What the folder of a run says counts more: another
                process may have ended it since. Only a run that is still under way there is ``elsewhere``.
        """
        found: dict[str, dict[int, RunState]] = defaultdict(dict)
        results: dict[str, list[RunResult]] = defaultdict(list)
        for run in sorted(runs, key=lambda run: grid.seeds.index(run.seed)):
            state = run.state()
            if state.status in {"waiting", "stopped"}:  # the folder of a run under way says stopped, for a kill
                state = states.get(run.name, state)
            if state.status == "done":
                try:
                    results[run.cell.name].append(RunResult.read(run.seed, run.folder))
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
        return [
            (cell.name, seed, state.reason)
            for cell in self.cells
            for seed, state in cell.states.items()
            if state.status == "failed"
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        grid = self.grid
        cells = [
            {
                "name": cell.name,
                "runs": {str(seed): asdict(state) for seed, state in cell.states.items()},
                "step": max((result.step for result in cell.results), default=None),
                "values": {name: asdict(value) for name, value in cell.values.items()},
                "differences": {
                    name: {**asdict(value), "p_holm": self.adjusted[name][cell.name]}
                    for name, value in cell.differences.items()
                    if name in self.adjusted
                },
                "incomparable": dict(cell.incomparable),
                "abstained": _mean([result.abstained for result in cell.results]),
                "unscored": _mean([result.unscored for result in cell.results]),
                "seconds": cell.seconds,
                "calibration": cell.calibration.to_dict(),
                "by_seed": {
                    str(result.seed): {name: _mean(list(result.measures[name].values())) for name in MEASURES}
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
    values = {
        measure: _over([run.measures[measure] for run in results], results[0].clusters if results else {}, is_share)
        for measure, (_, is_share, _) in MEASURES.items()
    }
    differences: dict[str, Interval] = {}
    differing: dict[str, str] = {}
    if name != grid.baseline and results and baseline:
        for measure in MEASURES:
            reasons = (_why_not(baseline[0], other, measure) for other in (*baseline[1:], *results))
            if why := next(filter(None, reasons), ""):
                differing[measure] = why
            elif (difference := _paired(baseline, results, measure)).count:
                differences[measure] = difference
    return CellResult(name, states, results, values, differences, differing)


def _over(
    runs: Sequence[Mapping[SampleKey, float]], clusters: Mapping[SampleKey, Cluster], is_share: bool = False
) -> Interval:
    """Mean over runs and the samples that all of them have a value for."""
    shared = [key for key in runs[0] if all(key in run for run in runs)] if runs else []
    if not shared:
        return Interval(math.nan, math.nan, math.nan, 0, 0, "crossed t")
    values, cases = [[run[key] for key in shared] for run in runs], [clusters[key] for key in shared]
    return crossed_mean(values, cases, is_share=is_share)


def _paired(baseline: Sequence[RunResult], results: Sequence[RunResult], measure: str) -> Interval:
    """Mean difference over the seeds that both have, and the samples with a value in all of their runs."""
    others = {result.seed: result.measures[measure] for result in baseline}
    differences = [
        {key: value - others[result.seed][key] for key, value in result.measures[measure].items()
         if key in others[result.seed]}
        for result in results
        if result.seed in others
    ]  # fmt: skip
    return _over(differences, results[0].clusters)


def _why_not(baseline: RunResult, other: RunResult, measure: str) -> str:
    """Why a measure of two runs is not compared; of the rewards only the mean reward depends."""
    first, last = (dict(result.validations[-1]) for result in (baseline, other))
    if measure != "reward":
        for entry in (first, last):
            entry["suite"] = {
                name: value for name, value in (entry.get("suite") or {}).items() if name not in _OF_REWARDS
            }
    return " and ".join(incomparable(first, last))


_ABSTENTION = AbstentionAnswer(0.0)


def _abstains(answer: str | None) -> bool:
    return answer is not None and _ABSTENTION.abstains(answer)


def _canaries(file: Path) -> Mapping[str, float | None]:
    data = json.loads(file.read_text(encoding="utf-8"))
    return {"step": data["step"], "accepted": data["false_positive"]["rate"]}


def _majority(group: Sequence[CompletionRecord]) -> MajorityAnswer | None:
    """The most common answer to one sample."""
    rows = [
        ScoredCompletion(
            item=record.id,
            k=record.index,
            cluster="",
            question=record.question,
            references=(record.reference, *record.aliases),
            completion=record.completion,
            answer=record.answer,
            credit=record.credit,
        )
        for record in group
    ]
    found = majority(rows)
    if found is None or not any(map(_abstains, (record.answer for record in group))):
        return found
    decided = majority([row for row in rows if not _abstains(row.answer)])
    abstaining = sum(_abstains(row.answer) for row in rows)
    if decided is None or decided.confidence * (len(rows) - abstaining) < abstaining:
        return MajorityAnswer(0.0, found.is_right)
    return MajorityAnswer(decided.confidence * (len(rows) - abstaining) / len(rows), decided.is_right)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
