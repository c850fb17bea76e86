"""Accuracy, or mean grade, of a model on one task."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from medix.data.sources.table_labels import label_order
from medix.evaluation.judge_errors import JudgeErrors
from medix.evaluation.repeated import Repeated
from medix.evaluation.scored_completion import NOT_GIVEN, ScoredCompletion
from medix.evaluation.statistics import Interval, bounds, clustered_mean, proportion

BEST_GRADE = 5.0
"""Grades of a rubric are from 0 to 5; credits are grades over this."""

GRADE_STEP = 1 / BEST_GRADE
"""Difference of the credits of two grades next to each other."""


@dataclass(frozen=True)
class PartScore:
    """Completions of one part of a task: all, or those of one modality, question type, source or subgroup.

    Attributes:
        items: number of distinct items.
        completions: number of completions, failures included.
        scored: completions with a verdict.
        credit: mean credit of the scored ones, clustered by the task's unit: accuracy, or grade over 5.
        bounds: mean credit if the unscored ones were all wrong, and if they were all right.
        format_valid: share of completions that keep the grammar; NaN where none was asked for.
        modality: share of completions that name the true modality; no observations where there is none.
    """

    items: int
    completions: int
    scored: int
    credit: Interval
    bounds: tuple[float, float]
    format_valid: float
    modality: Interval

    @classmethod
    def of(cls, completions: Sequence[ScoredCompletion]) -> "PartScore":
        """Score some completions."""
        scored = [(one.credit, one.cluster) for one in completions if one.credit is not None]
        named = [(one.names_modality, one.cluster) for one in completions if one.names_modality is not None]
        formats = [one.format_valid for one in completions if one.format_valid is not None]
        return cls(
            items=len({one.item for one in completions}),
            completions=len(completions),
            scored=len(scored),
            credit=proportion([credit for credit, _ in scored], [cluster for _, cluster in scored]),
            bounds=bounds(sum(credit for credit, _ in scored), len(scored), len(completions) - len(scored)),
            format_valid=sum(formats) / len(formats) if formats else math.nan,
            modality=proportion([float(right) for right, _ in named], [cluster for _, cluster in named]),
        )

    @property
    def coverage(self) -> float:
        """Share of completions with a verdict; NaN if there are none."""
        return self.scored / self.completions if self.completions else math.nan

    def to_dict(self, name: str, scale: float) -> dict[str, Any]:
        """Plain data.

        Args:
            name: what the credit is called: ``accuracy`` or ``score``.
            scale: factor of the credit: 1, or 5 for grades.
        """
        return {
            name: scale * self.credit.estimate,
            "interval": [scale * self.credit.low, scale * self.credit.high],
            "items": self.items,
            "completions": self.completions,
            "scored": self.scored,
            "coverage": self.coverage,
            "bounds": [scale * end for end in self.bounds],
            "clusters": self.credit.clusters,
            "method": self.credit.method,
            "few_clusters": self.credit.has_few_clusters,
            "format_valid": self.format_valid,
            "modality_accuracy": self.modality.estimate,
            "modality_interval": [self.modality.low, self.modality.high],
        }


@dataclass(frozen=True)
class TaskScore:
    """A model on one task.

    Attributes:
        name: of the task.
        spec: the task as plain data, with the number of rows that were found.
        whole: all completions.
        parts: by what the parts differ in (``modality``, ``question_type``, ``source`` or a column), then by value.
        reasons: why completions are unscored, with their number.
        judges: identities of judges and rules, with the number of verdicts.
        corrected: accuracy corrected for the errors of the judge; None if these are not known, and for grades.
        repeated: results over several completions of each item; None with one.
        without_images: number of items that were asked without an image where others have one.
        other_answers: number of items whose answer is none of their choices.
        identical: number of items that are identical to an earlier one but for their identity, by whether they are in
            its cluster.
    """

    name: str
    spec: Mapping[str, Any]
    whole: PartScore
    parts: Mapping[str, Mapping[str, PartScore]] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    judges: Mapping[str, int] = field(default_factory=dict)
    corrected: Interval | None = None
    repeated: Repeated | None = None
    without_images: int = 0
    other_answers: int = 0
    identical: Mapping[bool, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        spec: Mapping[str, Any],
        completions: Sequence[ScoredCompletion],
        errors: JudgeErrors | None = None,
    ) -> "TaskScore":
        """Score the completions of a task.

        Args:
            name: of the task.
            spec: content of its ``task.json``.
            completions: every completion once.
            errors: of the judge, to correct the accuracy for.

        Raises:
            ValueError: the accuracy cannot be corrected: verdicts are those of another judge, or say nothing.
        """
        whole = PartScore.of(completions)
        asked = [one for one in completions if one.choices and one.references]
        blind = {one.item for one in completions if one.completion is not None and not one.images}
        return cls(
            name=name,
            spec=spec,
            whole=whole,
            parts=_parts(completions),
            reasons=dict(Counter(one.reason for one in completions if one.credit is None).most_common()),
            judges=dict(Counter(one.judge for one in completions if one.by).most_common()),
            corrected=None if errors is None or spec["scoring"] == "rubric" else _corrected(name, completions, errors),
            repeated=Repeated.of(completions),
            without_images=len(blind) if any(one.images for one in completions) else 0,
            other_answers=len({one.item for one in asked if one.answer_index is None}),
            identical=_identical(completions),
        )

    @property
    def is_graded(self) -> bool:
        """Whether it has grades from 0 to 5, which are no accuracies."""
        return bool(self.spec["scoring"] == "rubric")

    @property
    def measure(self) -> str:
        """``accuracy``, or ``score`` for grades."""
        return "score" if self.is_graded else "accuracy"

    @property
    def scale(self) -> float:
        """What a credit is multiplied by to be shown."""
        return BEST_GRADE if self.is_graded else 1.0

    @property
    def warnings(self) -> list[str]:
        """What a reader of the number must know."""
        found = []
        expected, rows = self.spec.get("expected_rows"), self.spec.get("rows")
        if expected is not None and rows is not None and expected != rows:
            found.append(f"{rows} rows, {expected} expected")
        if rows is not None and self.whole.items < rows:
            found.append(f"{self.whole.items} of {rows} items")
        if self.without_images:
            found.append(f"{self.without_images} of {self.whole.items} items have no image and were asked without")
        if self.other_answers:
            found.append(
                f"the answer of {self.other_answers} of {self.whole.items} items is none of their choices, so that no "
                "letter is right"
            )
        for is_clustered, count in sorted(self.identical.items()):
            how = "in intervals all are one" if is_clustered else "so does each in intervals, as their ids differ"
            found.append(
                f"{count} of {self.whole.items} items are identical to an earlier one (question, choices, references, "
                f"images): each counts in the mean, {how}"
            )
        if (repeated := self.repeated) and (counted := repeated.pass_items[repeated.samples]) < self.whole.items:
            found.append(
                f"pass at {repeated.samples} is over {counted} of {self.whole.items} items: the others have fewer "
                "scored completions"
            )
        if repeated and repeated.calibration.items < self.whole.items:
            found.append(
                f"calibration is over {repeated.calibration.items} of {self.whole.items} items: the others have no "
                "verdict on their most common answer"
            )
        wanted = self.whole.items * (1 if self.repeated is None else self.repeated.samples)
        if self.whole.completions < wanted:
            found.append(f"{self.whole.completions} of {wanted} completions, so that items do not count alike")
        if self.whole.scored < self.whole.completions:
            low, high = (self.scale * end for end in self.whole.bounds)
            form = ".2f" if self.is_graded else ".1%"
            found.append(
                f"{self.whole.completions - self.whole.scored} of {self.whole.completions} unscored, so between "
                f"{low:{form}} and {high:{form}}"
            )
        if self.whole.credit.has_few_clusters:
            found.append(f"{self.whole.credit.clusters} {self.spec['cluster']}s: the interval may be too narrow")
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for ``table.json``."""
        data: dict[str, Any] = self.whole.to_dict(self.measure, self.scale) | {
            "scoring": self.spec["scoring"],
            "cluster": self.spec["cluster"],
            "warnings": self.warnings,
            "unscored": dict(self.reasons),
            "judges": dict(self.judges),
            "parts": {
                by: {value: part.to_dict(self.measure, self.scale) for value, part in parts.items()}
                for by, parts in self.parts.items()
            },
        }
        if self.corrected is not None:
            data["corrected"] = asdict(self.corrected)
        if self.repeated is not None:
            data["repeated"] = self.repeated.to_dict()
        return data


def _identical(completions: Sequence[ScoredCompletion]) -> Counter[bool]:
    first: dict[object, ScoredCompletion] = {}
    found: Counter[bool] = Counter()
    for one in {one.item: one for one in completions}.values():
        images = tuple(image.get("sha256") for image in one.images)
        earlier = first.setdefault((one.question, one.choices, one.references, one.answer_index, images), one)
        if earlier is not one:
            found[earlier.cluster == one.cluster] += 1
    return found


def _parts(completions: Sequence[ScoredCompletion]) -> dict[str, dict[str, PartScore]]:
    """Scores by every property in which the completions differ."""
    reads: dict[str, Callable[[ScoredCompletion], str]] = {
        "modality": lambda one: one.modality or "",
        "question_type": lambda one: one.question_type,
        "source": lambda one: one.source,
    }
    for column in dict.fromkeys(name for one in completions for name in one.subgroup):
        reads[column] = lambda one, column=column: one.subgroup.get(column, "")  # type: ignore[misc]
    found = {}
    for name, read in reads.items():
        groups: dict[str, list[ScoredCompletion]] = {}
        for one in completions:
            groups.setdefault(read(one) or NOT_GIVEN, []).append(one)
        if len(groups) > 1:
            found[name] = {value: PartScore.of(groups[value]) for value in sorted(groups, key=label_order)}
    return found


def _corrected(name: str, completions: Sequence[ScoredCompletion], errors: JudgeErrors) -> Interval:
    """The accuracy with the judge's own verdicts corrected; those by rule, perhaps all, count as they are.

    With a share w of verdicts by the judge, accuracy is w times the corrected accuracy of these plus (1 - w) times that
    of the others. The interval combines both parts' as independent, and what they leave out of the sampling error of
    the whole: rules that accept right answers make w itself depend on how many are right, and parts share clusters.
    """
    others = sorted({one.judge for one in completions if one.by == "judge" and one.judge != errors.judge})
    if others:
        raise ValueError(
            f"{name}: judged by {', '.join(others)}, not by {errors.judge}, whose errors were given; measure those of "
            "the judge that was asked, with medix judge agreement"
        )
    parts = {by: [one for one in completions if one.by == by] for by in ("judge", "rule")}
    judged = PartScore.of(parts["judge"]).credit
    if not judged.count:
        return PartScore.of(completions).credit
    corrected = errors.corrected(judged)
    ruled = PartScore.of(parts["rule"]).credit
    if not ruled.count:
        return corrected
    weight = judged.count / (judged.count + ruled.count)
    estimate = weight * corrected.estimate + (1 - weight) * ruled.estimate
    # the square of each end's distance, so that intervals may be lopsided (Newcombe, Stat. Med. 17, 1998, method 10)
    below = math.hypot(weight * (corrected.estimate - corrected.low), (1 - weight) * (ruled.estimate - ruled.low))
    above = math.hypot(weight * (corrected.high - corrected.estimate), (1 - weight) * (ruled.high - ruled.estimate))
    shift = 1 - errors.specificity.estimate
    slope = errors.sensitivity.estimate - shift
    scored = [(one.credit, one) for one in completions if one.credit is not None]
    values = [(credit - shift) / slope if one.by == "judge" else credit for credit, one in scored]
    whole = clustered_mean(values, [one.cluster for _, one in scored])
    within = math.hypot(weight * judged.error / slope, (1 - weight) * ruled.error)
    left_out = (
        (whole.high - whole.estimate) * math.sqrt(max(0.0, 1 - (within / whole.error) ** 2)) if whole.error else 0.0
    )
    low, high = estimate - math.hypot(below, left_out), estimate + math.hypot(above, left_out)
    return Interval(estimate, max(low, 0.0), min(high, 1.0), whole.count, whole.clusters, corrected.method)
