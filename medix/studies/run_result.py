"""What one run of a grid measured: its last validation, completion by completion, and its curves."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medix.evaluation.repeated import MajorityAnswer, majority
from medix.evaluation.scored_completion import ScoredCompletion
from medix.evaluation.summary import summarise
from medix.reporting.record import CompletionKey, CompletionRecord, read_records
from medix.rewards.abstention import AbstentionAnswer
from medix.studies.measures import MEASURES
from medix.studies.run_canaries import RunCanaries
from medix.studies.run_report import NAME, newer_than, read_run_report
from medix.types import Cluster, SampleKey


@dataclass(frozen=True)
class RunResult:
    """The last validation of one run, and its curves.

    Attributes:
        seed: its seed.
        step: of the last validation.
        measures: by name, the value of each completion that has one. Their mean is what the run's report says.
        clusters: the case of each completion.
        samples: number of samples.
        abstained: share of completions whose answer abstains.
        unscored: share of completions without a verdict.
        majorities: the most common answer to each sample; one that abstains has confidence 0.
        validations: as the run's report has them, in order.
        steps: metrics of each training step, as the run's report has them.
        canaries: the checks of the judge during the training.
    """

    seed: int
    step: int
    measures: Mapping[str, Mapping[CompletionKey, float]]
    clusters: Mapping[CompletionKey, Cluster]
    samples: int
    abstained: float
    unscored: float
    majorities: Sequence[MajorityAnswer]
    validations: Sequence[Mapping[str, Any]]
    steps: Sequence[Mapping[str, float]]
    canaries: RunCanaries

    @classmethod
    def read(cls, seed: int, folder: Path) -> "RunResult":
        """Read the last validation of a run.

        Raises:
            ValueError: the run has no validations, or no report, or its completions are not those of its report, or a
                file cannot be read.
        """
        try:
            return cls._read(seed, folder)
        except OSError as error:
            raise ValueError(
                f"{error.filename or folder}: cannot be read ({error.strerror}); {_restore(folder)}"
            ) from error

    @classmethod
    def _read(cls, seed: int, folder: Path) -> "RunResult":
        report = _report(folder)
        last = report["validations"][-1]
        file = folder / "completions" / f"val-step-{last['step']:06d}.jsonl"
        if not file.exists():
            raise ValueError(
                f"{file}: is not there, though report.json has a validation of step {last['step']}; {_restore(folder)} "
                "(no run of a grid without the callback RecordCompletions has such a file)"
            )
        try:
            records = sorted(read_records(file), key=lambda record: record.key)  # in whatever order its lines are
        except ValueError as error:
            raise ValueError(f"{error}; {_restore(folder)}") from error
        _check(folder, file, records, last)
        by_sample: dict[SampleKey, list[CompletionRecord]] = defaultdict(list)
        for record in records:
            by_sample[record.sample_key].append(record)
        return cls(
            seed=seed,
            step=last["step"],
            measures={
                name: {one.key: value for one in records if (value := measure(one)) is not None}
                for name, (_, _, measure) in MEASURES.items()
            },
            clusters={one.key: one.cluster for one in records},
            samples=len(by_sample),
            abstained=mean([float(_abstains(record.answer)) for record in records]),
            unscored=mean([float(record.credit is None) for record in records]),
            majorities=[found for group in by_sample.values() if (found := _majority(group)) is not None],
            validations=report["validations"],
            steps=report["steps"],
            canaries=RunCanaries.read(folder, report.get("spec"), last["step"]),
        )

    def without(self, measure: str) -> float:
        """Share of the completions that have no value of a measure."""
        return 1 - len(self.measures[measure]) / len(self.clusters) if self.clusters else math.nan


def _restore(folder: Path) -> str:
    """What to do without losing a run that is done."""
    return (
        f"restore it; if that cannot be, move grid.json and the newest file of checkpoints out of {folder} and start "
        "the same command again, which trains the last steps again and writes it"
    )


def _report(folder: Path) -> Mapping[str, Any]:
    """The report of a run that is done, with at least one validation.

    Raises:
        ValueError: it is not there, or not as ``fit`` writes it, or was written before the end of the run.
    """
    file, remedy = folder / NAME, _restore(folder)
    lacking = (
        "the spec of the grid lacks data.val, or one of the callbacks JudgeValidation, RecordCompletions and "
        "WriteReport"
    )
    try:
        report = read_run_report(folder, remedy)
    except FileNotFoundError as error:
        raise ValueError(f"{file}: is not there; if it was lost, {remedy}; else {lacking}") from error
    if found := newer_than(report, folder):
        raise ValueError(f"{file}: is older than the run: {found}; {remedy}")
    if not report["finished"] and not report.get("ended"):  # a run that a callback ends is done, too
        raise ValueError(
            f"{file}: was written during the run, at step {report['step']} of {report['max_steps']}, and grid.json is "
            f"newer, which says that the run is done; {remedy}"
        )
    if not report["validations"]:
        raise ValueError(f"{file}: holds no validations; if it was changed, {remedy}; else {lacking}")
    return report


def _check(folder: Path, file: Path, records: Sequence[CompletionRecord], reported: Mapping[str, Any]) -> None:
    """Check that completions are those of the last validation that a report holds.

    Raises:
        ValueError: one stands twice, or they are fewer, or others.
    """
    if len({record.key for record in records}) < len(records):
        raise ValueError(f"{file}: holds a completion twice; {_restore(folder)}")
    found = summarise(records).to_dict()
    for name in ("completions", "samples", "accuracy", "reward", "modality_accuracy", "unscored"):
        one, other = (math.nan if data.get(name) is None else float(data[name]) for data in (found, reported))
        if name in reported and not (math.isclose(one, other, abs_tol=1e-9) or (math.isnan(one) and math.isnan(other))):
            raise ValueError(
                f"{file}: its {name} is {one:g}, that of the last validation in report.json {other:g}; it was cut or "
                f"changed: {_restore(folder)}"
            )


def mean(values: Sequence[float]) -> float:
    """The mean; NaN without a value."""
    return sum(values) / len(values) if values else math.nan


_ABSTENTION = AbstentionAnswer(0.0)


def _abstains(answer: str | None) -> bool:
    return answer is not None and _ABSTENTION.abstains(answer)


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
