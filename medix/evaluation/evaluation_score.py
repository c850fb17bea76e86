"""Scores of one model on all tasks of an evaluation."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from medix.evaluation.few_clusters import few_note, marked
from medix.evaluation.scored_completion import ScoredCompletion
from medix.evaluation.shared_units import SharedUnits
from medix.evaluation.statistics import Interval, proportion
from medix.evaluation.task_score import TaskScore
from medix.reporting.render import plain
from medix.reporting.table import MISSING, Table, interval, number


@dataclass(frozen=True)
class Average:
    """A mean over tasks.

    Attributes:
        interval: of the mean.
        tasks: names of the tasks in it.
        unit: what has equal weight: ``task`` or ``completion``.
    """

    interval: Interval
    tasks: tuple[str, ...]
    unit: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self.interval), "tasks": list(self.tasks), "unit": self.unit}


@dataclass(frozen=True)
class EvaluationScore:
    """A model on several tasks.

    Attributes:
        model: identity of the model, with prompt and decoding.
        tasks: scores in the order of the tasks.
        macro: mean accuracy over tasks, each with equal weight.
        micro: mean accuracy over completions.
        groups: macro averages of the tasks of a group.
        errors: error rates of the judge that accuracies were corrected for; empty if they were not.
        shared: tasks that share images, cases or questions with another.
    """

    model: Mapping[str, Any]
    tasks: Sequence[TaskScore]
    macro: Average
    micro: Average
    groups: Mapping[str, Average] = field(default_factory=dict)
    errors: Mapping[str, Any] = field(default_factory=dict)
    shared: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        model: Mapping[str, Any],
        tasks: Sequence[TaskScore],
        completions: Mapping[str, Sequence[ScoredCompletion]],
        errors: Mapping[str, Any] | None = None,
    ) -> "EvaluationScore":
        """Average the scores of tasks. Grades from 0 to 5 are no accuracies and enter no average.

        Args:
            model: identity of the model.
            tasks: their scores.
            completions: those of each task, by its name.
            errors: of the judge, as plain data.
        """
        rated = [task for task in tasks if not task.is_graded and task.whole.scored]
        shared = SharedUnits.of({task.name: task.spec for task in rated}, completions)
        rows = [
            (one.credit, shared.units[task.name, one.cluster])
            for task in rated
            for one in completions[task.name]
            if one.credit is not None
        ]
        micro = proportion([credit for credit, _ in rows], [cluster for _, cluster in rows])
        names = sorted({group for task in rated if (group := str(task.spec.get("group") or ""))})
        members = {name: [task for task in rated if task.spec.get("group") == name] for name in names}
        groups = {name: _macro(among, completions, shared) for name, among in members.items()}
        return cls(
            model=model,
            tasks=tasks,
            macro=_macro(rated, completions, shared),
            micro=Average(micro, tuple(task.name for task in rated), "completion"),
            groups=groups,
            errors=errors or {},
            shared=tuple(task.name for task in rated if task.name in shared.tasks),
        )

    @property
    def judges(self) -> list[str]:
        """Identities of all judges and rules, the most used first."""
        counts: dict[str, int] = {}
        for task in self.tasks:
            for judge, count in task.judges.items():
                counts[judge] = counts.get(judge, 0) + count
        return sorted(counts, key=lambda judge: -counts[judge])

    def tables(self) -> list[Table]:
        """All tasks with their averages; then each task by its parts."""
        return [self._overview(), *self._parts(), *self._repeated()]

    def _overview(self) -> Table:
        has_corrected = any(task.corrected is not None for task in self.tasks)
        columns = ["Task", "Result", *(["Corrected"] if has_corrected else [])]
        columns += ["Items", "Scored", "Clusters", "Format valid", "Modality named"]
        rows = [
            [
                task.name,
                result_text(task),
                *([_percent(task.corrected)] if has_corrected else []),
                f"{task.whole.items:,}",
                number(task.whole.coverage, percent=True),
                marked(f"{task.whole.credit.clusters:,} {task.spec['cluster']}s", task.whole.credit),
                number(task.whole.format_valid, percent=True),
                number(task.whole.modality.estimate, percent=True),
            ]
            for task in self.tasks
        ]
        averages = {f"{name} tasks": average for name, average in self.groups.items() if len(self.groups) > 1}
        averages |= {"Mean over tasks": self.macro, "Mean over completions": self.micro}
        for name, average in averages.items():
            if len(average.tasks) > 1:
                name = f"{name} ({len(average.tasks)} tasks)"
                empty = [""] * (len(columns) - 2)
                rows.append([name, _percent(average.interval), *empty])
        return Table(f"{self.model.get('name', 'model')}: accuracy, or mean grade of 5", columns, rows)

    def _parts(self) -> list[Table]:
        tables = []
        for task in self.tasks:
            for by, parts in task.parts.items():
                rows = [
                    [
                        value,
                        _scaled(part.credit, task),
                        f"{part.items:,}",
                        number(part.coverage, percent=True),
                        marked(f"{part.credit.clusters:,}", part.credit),
                    ]
                    for value, part in parts.items()
                ]
                heads = [by.replace("_", " ").capitalize(), "Result", "Items", "Scored", "Clusters"]
                tables.append(Table(f"{task.name} by {by.replace('_', ' ')}", heads, rows))
        return tables

    def _repeated(self) -> list[Table]:
        rows = []
        for task in self.tasks:
            found = task.repeated
            if found is None:
                continue
            calibration = found.calibration
            rows.append(
                [
                    task.name,
                    str(found.samples),
                    *(number(found.pass_at.get(k), percent=True) for k in (1, found.samples)),
                    number(calibration.accuracy, percent=True),
                    number(calibration.error),
                    f"{number(calibration.area)} ({number(calibration.random_area)})",
                ]
            )
        heads = [
            "Task",
            "Samples K",
            "Pass at 1",
            "Pass at K",
            "Majority right",
            "Calibration error",
            "Risk area (none)",
        ]
        return [Table("Several completions of each item", heads, rows)] if rows else []

    @property
    def notes(self) -> list[str]:
        """How to read the tables, and what is missing from them."""
        notes = [f"{task.name}: {warning}." for task in self.tasks for warning in task.warnings]
        if any(task.is_graded for task in self.tasks):
            corrected = " and are not corrected" if self.errors else ""
            notes.append(f"Grades from 0 to 5 are no accuracies{corrected} and are in no mean.")
        if any(task.is_graded and task.repeated for task in self.tasks):
            notes.append("Of several completions those are called right whose grade is at least 2.5.")
        if self.shared:
            notes.append(
                f"{', '.join(self.shared)} share images, cases or questions: intervals of means count what they share."
            )
        notes.append(
            f"Intervals are 95 %, by the errors of whole clusters. {few_note()} Unscored completions are left out of "
            "results. Research use, not for clinical decisions."
        )
        return notes

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the content of ``table.json``."""
        return plain(  # type: ignore[no-any-return]
            {
                "model": dict(self.model),
                "judge": ", ".join(self.judges) or "none",
                "tasks": {task.name: task.to_dict() for task in self.tasks},
                "macro": self.macro.to_dict(),
                "micro": self.micro.to_dict(),
                "groups": {name: average.to_dict() for name, average in self.groups.items()},
                "completions": sum(task.whole.completions for task in self.tasks),
                "judge_errors": dict(self.errors),
                "notes": self.notes,
            }
        )


def _macro(
    tasks: Sequence[TaskScore], completions: Mapping[str, Sequence[ScoredCompletion]], shared: SharedUnits
) -> Average:
    """Mean over tasks. The tasks are fixed and their units the sample; those that tasks share count in both.

    The ends combine those of the tasks with the correlations of their means (Zou, Huang and Zhang, Comput. Stat. Data
    Anal. 53, 2009): a task that is all right has an error of 0 and an interval all the same.
    """
    names = tuple(task.name for task in tasks)
    results = [task.whole.credit for task in tasks]
    if not results:
        return Average(Interval(math.nan, math.nan, math.nan, 0, 0, "independent tasks"), names, "task")
    is_shared = not shared.tasks.isdisjoint(names)
    correlations = shared.correlations({name: completions[name] for name in names})
    ends = np.array([(one.estimate - one.low, one.high - one.estimate) for one in results])
    squares = np.einsum("ie,ij,je->e", ends, correlations, ends)
    below, above = np.sqrt(np.maximum(squares, 0.0)) / len(results)  # rounding
    estimate = sum(result.estimate for result in results) / len(results)
    units = {shared.units[name, one.cluster] for name in names for one in completions[name] if one.credit is not None}
    interval = Interval(
        estimate,
        estimate - float(below),
        estimate + float(above),
        sum(result.count for result in results),
        len(units),
        "tasks with shared units" if is_shared else "independent tasks",
    )
    return Average(interval, names, "task")


def result_text(task: TaskScore) -> str:
    """The result of a task with its interval, as a table shows it."""
    return _scaled(task.whole.credit, task)


def _scaled(found: Interval, task: TaskScore) -> str:
    if not task.is_graded:
        return _percent(found)
    if not found.count:
        return MISSING
    scale = task.scale
    ends = {"estimate": scale * found.estimate, "low": scale * found.low, "high": scale * found.high}
    return f"{interval(ends)} of 5"


def _percent(found: Interval | None) -> str:
    return interval(asdict(found) if found else None, percent=True)
