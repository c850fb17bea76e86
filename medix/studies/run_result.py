"""What one run of a grid measured: its last validation, completion by completion, and its curves."""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medix.evaluation.repeated import MajorityAnswer, majority
from medix.evaluation.scored_completion import ScoredCompletion
from medix.evaluation.summary import summarise
from medix.reporting.evaluations import read_report
from medix.reporting.record import CompletionKey, CompletionRecord, read_records
from medix.rewards.abstention import AbstentionAnswer
from medix.studies.measures import MEASURES
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
        canaries: step and share of attacks that the judge accepted, of each check by the callback ``CheckJudge``.
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
    canaries: Sequence[Mapping[str, float | None]]

    @classmethod
    def read(cls, seed: int, folder: Path) -> "RunResult":
        """Read the last validation of a run.

        Raises:
            ValueError: the run has no validations, or no report, or its completions are not those of its report, or a
                file cannot be read.
        """
        try:
            return cls._read(seed, folder)
        except (OSError, LookupError, TypeError, AttributeError) as error:
            raise ValueError(f"{folder}: cannot be read ({type(error).__name__}: {error}); {_RESTORE}") from error

    @classmethod
    def _read(cls, seed: int, folder: Path) -> "RunResult":
        report = read_report(folder)
        if not report.get("validations"):
            raise ValueError(
                f"{folder}: has no report.json with validations; if it was lost, {_RESTORE}; else the spec of the grid "
                "lacks data.val, or one of the callbacks JudgeValidation, RecordCompletions and WriteReport"
            )
        last = report["validations"][-1]
        file = folder / "completions" / f"val-step-{last['step']:06d}.jsonl"
        if not file.exists():
            raise ValueError(
                f"{file}: is not there, though report.json has a validation of step {last['step']}; {_RESTORE} (no run "
                "of a grid without the callback RecordCompletions has such a file)"
            )
        by_sample: dict[SampleKey, list[CompletionRecord]] = defaultdict(list)
        for record in read_records(file):
            by_sample[record.sample_key].append(record)
        records = [record for group in by_sample.values() for record in group]
        _check(file, records, last)
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
            steps=report.get("steps") or [],
            canaries=[_canaries(file) for file in sorted(folder.glob("canaries-step-*.json"))],
        )

    def without(self, measure: str) -> float:
        """Share of the completions that have no value of a measure."""
        return 1 - len(self.measures[measure]) / len(self.clusters) if self.clusters else math.nan


_RESTORE = "restore it, or remove the folder of the run and start the same command again, which makes it anew"


def _check(file: Path, records: Sequence[CompletionRecord], reported: Mapping[str, Any]) -> None:
    """Check that completions are those of the last validation that a report holds.

    Raises:
        ValueError: one stands twice, or they are fewer, or others.
    """
    if len({record.key for record in records}) < len(records):
        raise ValueError(f"{file}: holds a completion twice; {_RESTORE}")
    found = summarise(records).to_dict()
    for name in ("completions", "samples", "accuracy", "reward", "modality_accuracy", "unscored"):
        one, other = (math.nan if data.get(name) is None else float(data[name]) for data in (found, reported))
        if name in reported and not (math.isclose(one, other, abs_tol=1e-9) or (math.isnan(one) and math.isnan(other))):
            raise ValueError(
                f"{file}: its {name} is {one:g}, that of the last validation in report.json {other:g}; it was cut or "
                f"changed: {_RESTORE}"
            )


def mean(values: Sequence[float]) -> float:
    """The mean; NaN without a value."""
    return sum(values) / len(values) if values else math.nan


_ABSTENTION = AbstentionAnswer(0.0)


def _abstains(answer: str | None) -> bool:
    return answer is not None and _ABSTENTION.abstains(answer)


def _canaries(file: Path) -> Mapping[str, float | None]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        return {"step": data["step"], "accepted": data["false_positive"]["rate"]}
    except (ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{file}: holds no rates of canaries ({error}); {_RESTORE}") from error


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
