"""Two models on the same tasks, item by item."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from medix.evaluation.few_clusters import few_note, marked
from medix.evaluation.rule_verdict import OF_RULES, rules_of
from medix.evaluation.same_clusters import other_clusters
from medix.evaluation.scored_completion import ScoredCompletion
from medix.evaluation.significance import holm, mcnemar_exact
from medix.evaluation.statistics import Interval, minimum_detectable_difference, paired_difference
from medix.evaluation.task_score import BEST_GRADE, GRADE_STEP
from medix.reporting.render import plain
from medix.reporting.table import MISSING, Table, interval, number, p_value

_SIGNIFICANT = 0.05


@dataclass(frozen=True)
class TaskComparison:
    """Two models on one task.

    Attributes:
        name: of the task.
        first, second: mean credit of each model over the pairs.
        difference: second minus first, clustered by the task's unit.
        pairs: completions of the same item and index that both have a verdict on.
        left_out: completions without a counterpart, or without a verdict on both sides.
        bounds: difference over these and the pairs, if the missing credits of one model were all 0 and those of the
            other all 1, and the other way round.
        mcnemar: exact p-value if every item is independent and every credit 0 or 1; None if not.
        adjusted: p-value of the task, adjusted for the number of tasks; NaN without a test.
        is_graded: whether credits are grades over 5.
    """

    name: str
    first: float
    second: float
    difference: Interval
    pairs: int
    left_out: int
    bounds: tuple[float, float]
    mcnemar: float | None
    adjusted: float = float("nan")
    is_graded: bool = False

    @property
    def p_value(self) -> float:
        """McNemar's where it holds, else that of the clustered difference."""
        return self.difference.p_value if self.mcnemar is None else self.mcnemar

    @property
    def detectable(self) -> float:
        """True difference that four of five such comparisons would find; NaN if none that credits can have."""
        found = minimum_detectable_difference(self.difference)
        return found if found <= 1 else math.nan


@dataclass(frozen=True)
class ScoreComparison:
    """Two models on the tasks that both were judged on.

    Attributes:
        names: of the two models.
        tasks: by task.
        only_first, only_second: tasks that only one of them has.
        differing: tasks that were scored differently, or by different judges or versions of the rules, so that no
            difference is computed.
        asked: by name of a setting of prompt and decoding that is not the same, that of each model.
    """

    names: tuple[str, str]
    tasks: Sequence[TaskComparison]
    only_first: tuple[str, ...] = ()
    only_second: tuple[str, ...] = ()
    differing: Mapping[str, str] = field(default_factory=dict)
    asked: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)

    def tables(self) -> list[Table]:
        """One row per task."""
        heads = ["Task", *self.names, "Difference", "p", "p (Holm)", "Detectable", "Pairs", "Clusters", "Left out"]
        rows = []
        for task in self.tasks:
            scale, percent = (BEST_GRADE, False) if task.is_graded else (1.0, True)
            ends = {name: scale * getattr(task.difference, name) for name in ("estimate", "low", "high")}
            rows.append(
                [
                    task.name + (" (of 5)" if task.is_graded else ""),
                    number(scale * task.first, percent=percent),
                    number(scale * task.second, percent=percent),
                    interval(ends, percent=percent, signed=True),
                    p_value(task.p_value),
                    p_value(task.adjusted) + (" *" if task.adjusted < _SIGNIFICANT else ""),
                    number(scale * task.detectable, percent=percent),
                    f"{task.pairs:,}",
                    marked(f"{task.difference.clusters:,}", task.difference),
                    f"{task.left_out:,}",
                ]
            )
        rows += [[name, *[MISSING] * (len(heads) - 1)] for name in self.differing]
        return [Table(f"{self.names[1]} against {self.names[0]}, item by item", heads, rows)]

    @property
    def notes(self) -> list[str]:
        """How to read the table, and what is not in it."""
        notes = [f"{name}: {why}; no difference is computed." for name, why in self.differing.items()]
        if self.asked:
            settings = "; ".join(f"{name} {one} and {other}" for name, (one, other) in self.asked.items())
            notes.append(f"The models were not asked alike, and differences may be due to that: {settings}.")
        for name, tasks in zip(self.names, (self.only_first, self.only_second), strict=True):
            if tasks:
                notes.append(f"Only {name} has {', '.join(tasks)}.")
        for task in self.tasks:
            if task.left_out:
                scale, percent = (BEST_GRADE, False) if task.is_graded else (1.0, True)
                low, high = (number(scale * end, percent=percent, signed=True) for end in task.bounds)
                notes.append(
                    f"{task.name}: {task.left_out:,} of {task.pairs + task.left_out:,} left out; with them the "
                    f"difference is between {low} and {high}."
                )
            if task.pairs and math.isnan(task.detectable):
                count = task.difference.clusters
                unit = "cluster" if count == 1 else "clusters"
                notes.append(f"{task.name}: no difference can be detected with {count:,} {unit}.")
        notes.append(
            "Means are over the pairs that both have a verdict on. 95 % intervals of the paired difference, clustered "
            f"by the task's unit. {few_note()} p: McNemar's exact test where items are independent, which at the "
            "border is stricter than the interval, else Student's t over clusters; p (Holm) is adjusted for the number "
            "of tasks, * below 0.05. Detectable: the true difference that would be found with probability 0.8."
        )
        return notes

    def markdown(self) -> str:
        """The table and its notes."""
        lines = [f"# {self.names[1]} against {self.names[0]}", ""]
        return "\n".join([*lines, *(table.markdown() for table in self.tables()), *self.notes]) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        data = asdict(self)
        for entry, task in zip(data["tasks"], self.tasks, strict=True):
            entry |= {
                "p_value": task.p_value,
                "detectable": task.detectable,
                "few_clusters": task.difference.has_few_clusters,
            }
        return plain(data)  # type: ignore[no-any-return]


_Rows = Mapping[tuple[str, int], ScoredCompletion]

Tasks = Mapping[str, tuple[Mapping[str, Any], Sequence[ScoredCompletion]]]
"""Spec and completions of each task."""


def compare_scores(first: Tasks, second: Tasks, names: tuple[str, str]) -> ScoreComparison:
    """Compare two models; items are paired by identity and index of the completion.

    Args:
        first: tasks of one model.
        second: tasks of the other.
        names: of the models.

    Raises:
        ValueError: no task is common to both, or an item has other contents, or a cluster other items, in the two.
    """
    common = [name for name in first if name in second]
    if not common:
        raise ValueError(
            f"{names[0]} has {', '.join(first) or 'no task'}, {names[1]} {', '.join(second) or 'no task'}: none is "
            "common; evaluate both on the same tasks"
        )
    differing = {}
    for name in common:
        (one, rows), (other, others) = first[name], second[name]
        if why := _other_task(one, other) or _other_judge(rows, others) or _other_rules(rows, others):
            differing[name] = why
    tasks = [_compared(name, first[name], second[name], names) for name in common if name not in differing]
    adjusted = holm([task.p_value for task in tasks])
    return ScoreComparison(
        names,
        [replace(task, adjusted=value) for task, value in zip(tasks, adjusted, strict=True)],
        tuple(name for name in first if name not in second),
        tuple(name for name in second if name not in first),
        differing,
    )


def _other_task(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """Why two versions of a task do not count alike; empty if they do."""
    one, other = (
        f"{spec['scoring']} with the rules {', '.join(rules_of(spec)) or 'none'}, clustered by {spec['cluster']}"
        for spec in (first, second)
    )
    return "" if one == other else f"scored as {one}, and as {other}"


def _other_judge(first: Sequence[ScoredCompletion], second: Sequence[ScoredCompletion]) -> str:
    """Why two lists of verdicts are not of one kind; empty if they are.

    Rules decide an answer or not depending on whether it is right, so that what they leave unscored is no sample of
    all: a list without a judge counts like a judged one only where rules decided everything.
    """
    one, other = (sorted({row.judge for row in rows if row.by == "judge"}) for rows in (first, second))
    by_rule = [not any(row.credit is None and row.completion is not None for row in rows) for rows in (first, second)]
    if one == other or (not one and by_rule[0]) or (not other and by_rule[1]):
        return ""
    return f"judged by {_judged_by(one, first)} and by {_judged_by(other, second)}"


def _other_rules(first: Sequence[ScoredCompletion], second: Sequence[ScoredCompletion]) -> str:
    """Why two lists of verdicts are not by one version of the rules; empty if they are.

    What one version leaves to a judge another decides, right or wrong. Where one list has no verdict by rule there is
    no version to compare, and completions without an answer are wrong by any.
    """
    one, other = (
        sorted({row.judge for row in rows if row.by == "rule" and row.judge and (row.answer or "").strip()})
        for rows in (first, second)
    )
    if not one or not other or one == other:
        return ""
    return f"judged by the rules {', '.join(one)} and {', '.join(other)} (run eval judge again)"


def _judged_by(judges: Sequence[str], rows: Sequence[ScoredCompletion]) -> str:
    """Who gave verdicts, and which judge was asked and gave none."""
    asked = sorted({row.judge for row in rows if row.judge and not row.by and not row.judge.startswith(OF_RULES)})
    if judges or not asked:
        return ", ".join(judges) or "rules alone"
    return f"rules alone ({', '.join(asked)} failed: run eval judge again)"


def _compared(
    name: str,
    first: tuple[Mapping[str, Any], Sequence[ScoredCompletion]],
    second: tuple[Mapping[str, Any], Sequence[ScoredCompletion]],
    names: tuple[str, str],
) -> TaskComparison:
    left, right = ({(one.item, one.k): one for one in rows} for _, rows in (first, second))
    keys = left.keys() | right.keys()
    pairs = [(left[key], right[key]) for key in left if key in right]
    for one, other in pairs:
        if _content(one) != _content(other):
            raise ValueError(
                f"{name}: item {one.item} has another question, reference or image in {names[0]} than in {names[1]}; "
                "evaluate both on the same data"
            )
    if others := other_clusters((one.item, one.cluster, other.cluster) for one, other in pairs):
        raise ValueError(f"{name}: {others.told(names, first[0]['cluster'])}")
    scored = [
        (one.credit, other.credit, one.cluster)
        for one, other in pairs
        if one.credit is not None and other.credit is not None
    ]
    before, after, clusters = [row[0] for row in scored], [row[1] for row in scored], [row[2] for row in scored]
    is_independent = len(set(clusters)) == len(clusters)
    is_binary = bool(scored) and all(value in (0.0, 1.0) for value in (*before, *after))
    exact = mcnemar_exact([value == 1 for value in before], [value == 1 for value in after])
    count = len(scored) or float("nan")
    is_graded = first[0]["scoring"] == "rubric"
    return TaskComparison(
        name=name,
        first=sum(before) / count,
        second=sum(after) / count,
        difference=paired_difference(before, after, clusters, step=GRADE_STEP if is_graded else None),
        pairs=len(scored),
        left_out=len(keys) - len(scored),
        bounds=(-_largest_difference(right, left, keys), _largest_difference(left, right, keys)),
        mcnemar=exact if is_independent and is_binary else None,
        is_graded=is_graded,
    )


def _largest_difference(first: _Rows, second: _Rows, keys: Collection[tuple[str, int]]) -> float:
    """Mean of second minus first if missing credits of the first were 0, and those of the second 1."""
    before, after = (
        [missing if (one := rows.get(key)) is None or one.credit is None else one.credit for key in keys]
        for rows, missing in ((first, 0.0), (second, 1.0))
    )
    return (sum(after) - sum(before)) / len(keys) if keys else float("nan")


def _content(one: ScoredCompletion) -> tuple[object, ...]:
    return one.question, one.references, [image.get("sha256") for image in one.images]
