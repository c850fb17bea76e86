"""Several judges on the same completions: how far a score depends on who judges."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medix.evaluation.few_clusters import few_note, marked
from medix.evaluation.scored_completion import ScoredCompletion
from medix.evaluation.statistics import Interval, judged_difference, proportion
from medix.evaluation.task_score import BEST_GRADE, GRADE_STEP
from medix.judge.agreement import cohen_kappa
from medix.reporting.render import plain
from medix.reporting.table import MISSING, Table, interval, number


@dataclass(frozen=True)
class JudgedTask:
    """A judge beside the first one, on one task.

    Attributes:
        task: its name.
        judge: identity of the judge.
        result: mean credit by this judge.
        coverage: share of completions with a verdict.
        judged: completions that the judge gave a verdict on; with none, the result is that of the rules alone.
        shift: mean credit by this judge minus that by the first, estimated for all completions of the task: the mean
            over those that both judges gave a verdict on, times the share of completions that no rule decides, since
            verdicts by rule are the same for all judges; NaN without any. Its interval is that of both, mean and share.
        asked: completions that both judges gave a verdict on.
        equal: share of these with equal credit; NaN without any.
        kappa: Cohen's kappa over these.
        is_graded: whether credits are grades over 5.
    """

    task: str
    judge: str
    result: Interval
    coverage: float
    judged: int
    shift: Interval
    asked: int
    equal: float
    kappa: float
    is_graded: bool

    @property
    def is_by_rule(self) -> bool:
        """Whether the judge decided nothing of what is shown."""
        return not self.judged and self.result.count > 0

    @property
    def weakest(self) -> Interval:
        """Of result and shift the one of fewer clusters; those of a shift have completions that both judges judged."""
        return self.shift if 0 < self.shift.clusters < self.result.clusters else self.result


@dataclass(frozen=True)
class JudgeComparison:
    """All judges on all tasks.

    Attributes:
        judges: identities; the others are compared with the first.
        rows: by task and judge.
    """

    judges: Sequence[str]
    rows: Sequence[JudgedTask]

    @property
    def largest_shift(self) -> float | None:
        """The largest absolute shift of an accuracy, or of a grade over 5; None if no two judges judged the same."""
        shifts = [abs(row.shift.estimate) for row in self.rows if row.judge != self.judges[0] and row.asked]
        return max(shifts, default=None)

    def tables(self) -> list[Table]:
        """One row per task and judge."""
        rows = []
        for row in self.rows:
            scale, percent = (BEST_GRADE, False) if row.is_graded else (1.0, True)
            rows.append(
                [
                    f"{row.task}, judge {self.judges.index(row.judge) + 1}{' (rules alone)' if row.is_by_rule else ''}",
                    _interval(row.result, scale, percent=percent),
                    MISSING
                    if row.judge == self.judges[0]
                    else _interval(row.shift, scale, percent=percent, signed=True),
                    number(row.equal, percent=True),
                    number(row.kappa),
                    f"{row.asked:,}",
                    marked(f"{self._weakest(row).clusters:,}", self._weakest(row)),
                    number(row.coverage, percent=True),
                ]
            )
        heads = ["Task", "Result", "Shift from judge 1", "Equal verdicts", "Kappa", "Asked", "Clusters", "Scored"]
        return [Table("Scores by judge", heads, rows)]

    @property
    def notes(self) -> list[str]:
        """Who the judges are, and how to read the table."""
        silent = [
            f"Judge {number} gave no verdict on {', '.join(tasks)}: what is shown of it there comes from rules alone."
            for number, judge in enumerate(self.judges, 1)
            if (tasks := [row.task for row in self.rows if row.judge == judge and row.is_by_rule])
        ]
        return [
            *(f"Judge {number}: {judge}" for number, judge in enumerate(self.judges, 1)),
            *silent,
            f"Largest shift: {MISSING if self.largest_shift is None else f'{self.largest_shift:.4f}'}. Verdicts by "
            "rule are the same for all judges and count in results and shifts, not in agreement. Shifts are estimated "
            f"from completions that both judges gave a verdict on; where one left some, clusters are those of these. "
            f"{few_note()}",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        data = asdict(self) | {"largest_shift": self.largest_shift}
        for entry, row in zip(data["rows"], self.rows, strict=True):
            entry["few_clusters"] = self._weakest(row).has_few_clusters
        return plain(data)  # type: ignore[no-any-return]

    def _weakest(self, row: JudgedTask) -> Interval:
        """The shown interval of the fewest clusters; of the first judge no shift is shown."""
        return row.result if row.judge == self.judges[0] else row.weakest


def _interval(found: Interval, scale: float, *, percent: bool, signed: bool = False) -> str:
    ends = {name: scale * getattr(found, name) for name in ("estimate", "low", "high")}
    return interval(ends, percent=percent, signed=signed)


def compare_judges(
    judged: Mapping[str, Mapping[str, Sequence[ScoredCompletion]]], graded: Mapping[str, bool]
) -> JudgeComparison:
    """Compare judges.

    Args:
        judged: by identity of the judge, by task, the same completions in the same order.
        graded: by task, whether credits are grades over 5.
    """
    judges = list(judged)
    rows = []
    for task, is_graded in graded.items():
        base = judged[judges[0]][task]
        rows += [_row(task, judge, base, judged[judge][task], is_graded) for judge in judges]
    return JudgeComparison(judges, rows)


def _row(
    task: str, judge: str, base: Sequence[ScoredCompletion], rows: Sequence[ScoredCompletion], is_graded: bool
) -> JudgedTask:
    scored = [(one.credit, one.cluster) for one in rows if one.credit is not None]
    pairs = [pair for pair in zip(base, rows, strict=True) if pair[0].completion is not None and pair[0].references]
    by_rule = ["rule" in (one.by, other.by) for one, other in pairs]
    credits_of = [
        None if one.credit is None or other.credit is None else (one.credit, other.credit) for one, other in pairs
    ]
    asked = [pair for pair, is_ruled in zip(credits_of, by_rule, strict=True) if pair is not None and not is_ruled]
    return JudgedTask(
        task=task,
        judge=judge,
        result=proportion([credit for credit, _ in scored], [cluster for _, cluster in scored]),
        coverage=len(scored) / len(rows) if rows else float("nan"),
        judged=sum(one.by == "judge" for one in rows if one.credit is not None),
        shift=judged_difference(
            credits_of, by_rule, [one.cluster for one, _ in pairs], step=GRADE_STEP if is_graded else None
        ),
        asked=len(asked),
        equal=sum(one == other for one, other in asked) / len(asked) if asked else float("nan"),
        kappa=cohen_kappa(asked),
        is_graded=is_graded,
    )
