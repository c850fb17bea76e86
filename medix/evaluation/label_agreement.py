"""Agreement of a judge, or of a reward component, with answers that people have judged."""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medix.evaluation.few_clusters import few_note, marked
from medix.evaluation.judge_errors import JudgeErrors
from medix.evaluation.labels import Label
from medix.evaluation.statistics import FEWEST_CLUSTERS, Interval, proportion
from medix.reporting.render import plain
from medix.reporting.table import Table, interval, number


@dataclass(frozen=True)
class LabelAgreement:
    """Verdicts beside what people say, over the answers with a verdict.

    Attributes:
        judge: identity of the judge.
        labels: the answers.
        accepted: per answer whether the judge accepts it; None if it is unscored.
        why: per answer why it is unscored; empty if it is not.
    """

    judge: str
    labels: Sequence[Label]
    accepted: Sequence[bool | None]
    why: Sequence[str]

    @cached_property
    def reasons(self) -> dict[str, int]:
        """Why answers are unscored, with their number, the most common first."""
        unscored = (why for why, yes in zip(self.why, self.accepted, strict=True) if yes is None)
        return dict(Counter(unscored).most_common())

    @cached_property
    def errors(self) -> JudgeErrors:
        """Sensitivity and specificity, clustered by question."""
        return JudgeErrors(
            self.judge, self._share(lambda label, yes: yes if label.is_same else None), self._share(_rejects)
        )

    @cached_property
    def precision(self) -> Interval:
        """Share of the answers that the judge accepts which people accept."""
        return self._share(lambda label, yes: label.is_same if yes else None)

    @cached_property
    def agreement(self) -> Interval:
        """Share of answers on which both agree."""
        return self._share(lambda label, yes: label.is_same == yes)

    @cached_property
    def prevalence(self) -> float:
        """Share of answers that people accept: kappa depends on it."""
        scored = [label.is_same for label, yes in self._pairs if yes is not None]
        return sum(scored) / len(scored) if scored else math.nan

    @cached_property
    def kappa(self) -> Interval:
        """Cohen's kappa of judge and people; its interval leaves out one question after the other (jackknife).

        For the interval, half a question of average size is added to each of the four cells, as to proportions by
        Agresti and Coull (Am. Stat. 52, 1998): near 1 few answers tell of disagreement, and without them a judge that
        agrees on all of fifty would have an interval of zero width. It holds the estimate, and lies around the kappa
        with the additions. (``test_label_agreement`` simulates its coverage.)
        """
        clusters: dict[Hashable, list[int]] = {}
        for label, yes in self._pairs:
            if yes is not None:
                table = clusters.setdefault(label.question.question, [0, 0, 0, 0])
                table[2 * label.is_same + yes] += 1
        cells = np.array(list(clusters.values()), dtype=np.float64).reshape(-1, 4)
        estimate = float(_kappa(cells.sum(axis=0, keepdims=True))[0])
        size, count = len(cells), int(cells.sum())
        method = "smoothed jackknife"
        if size < FEWEST_CLUSTERS or math.isnan(estimate):
            return Interval(estimate, math.nan, math.nan, count, size, method)
        from scipy.stats import t

        cells = np.concatenate([cells, count / size / 2 * np.eye(4)])
        centre = float(_kappa(cells.sum(axis=0, keepdims=True))[0])
        others = _kappa(cells.sum(axis=0) - cells)
        error = math.sqrt((size - 1) / size * float(((others - others.mean()) ** 2).sum()))
        half = float(t.ppf(0.975, size - 1)) * error
        low, high = min(estimate, max(-1.0, centre - half)), max(estimate, min(1.0, centre + half))
        return Interval(estimate, low, high, count, size, method, error)

    @property
    def weakest(self) -> Interval:
        """Of the rates with answers the one of the fewest questions."""
        rates = self.agreement, self.errors.sensitivity, self.errors.specificity, self.precision
        return min((rate for rate in rates if rate.count), key=lambda rate: rate.clusters, default=self.agreement)

    @property
    def notes(self) -> list[str]:
        """What the mark in the tables means, if there is one."""
        is_marked = any(part.weakest.has_few_clusters for part in (self, *self.kinds.values()))
        return [few_note("questions")] if is_marked else []

    @cached_property
    def confusion(self) -> dict[str, int]:
        """Numbers of answers: of the judge's yes, no and unscored among those that people accept, and reject."""
        names = {True: "yes", False: "no", None: "unscored"}
        found = Counter((label.is_same, names[yes]) for label, yes in self._pairs)
        return {
            f"{'accepted' if same else 'rejected'}_{name}": found[same, name]
            for same in (True, False)
            for name in names.values()
        }

    @cached_property
    def kinds(self) -> "dict[str, LabelAgreement]":
        """The same by kind of answer; empty if the labels have no kinds."""
        groups: dict[str, list[int]] = {}
        for index, label in enumerate(self.labels):
            if label.kind:
                groups.setdefault(label.kind, []).append(index)
        return {
            kind: LabelAgreement(
                self.judge,
                [replace(self.labels[index], kind="") for index in rows],
                [self.accepted[index] for index in rows],
                [self.why[index] for index in rows],
            )
            for kind, rows in sorted(groups.items())
        }

    @cached_property
    def _pairs(self) -> list[tuple[Label, bool | None]]:
        return list(zip(self.labels, self.accepted, strict=True))

    def _share(self, value: Callable[[Label, bool], bool | None]) -> Interval:
        rows = [
            (label.question.question, found)
            for label, yes in self._pairs
            if yes is not None and (found := value(label, yes)) is not None
        ]
        return proportion([float(found) for _, found in rows], [question for question, _ in rows])

    def tables(self) -> list[Table]:
        """The rates, and the confusion by kind."""
        heads = ["", "Answers", "Fewest questions", "People accept", "Agreement", "Kappa"]
        heads += ["Sensitivity", "Specificity", "Precision"]
        parts = {"All": self, **self.kinds}
        rates = Table(
            f"{self.judge} and people (95 % intervals, clustered by question)",
            heads,
            [
                [
                    name,
                    str(part.agreement.count),
                    marked(str(part.weakest.clusters), part.weakest),
                    number(part.prevalence, percent=True),
                    interval(asdict(part.agreement), percent=True),
                    interval(asdict(part.kappa)),
                    interval(asdict(part.errors.sensitivity), percent=True),
                    interval(asdict(part.errors.specificity), percent=True),
                    interval(asdict(part.precision), percent=True),
                ]
                for name, part in parts.items()
            ],
        )
        columns = ["", *(name.replace("_", ": ").replace("ed:", ":") for name in self.confusion)]
        counts = Table(
            "People: judge, in answers",
            columns,
            [[name, *map(str, part.confusion.values())] for name, part in parts.items()],
        )
        return [rates, counts]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, which ``JudgeErrors.read`` reads too."""
        return plain(  # type: ignore[no-any-return]
            {
                "judge": self.judge,
                "answers": len(self.labels),
                "scored": self.agreement.count,
                "questions": len({label.question.question for label in self.labels}),
                "prevalence": self.prevalence,
                "agreement": asdict(self.agreement),
                "kappa": asdict(self.kappa),
                "sensitivity": asdict(self.errors.sensitivity),
                "specificity": asdict(self.errors.specificity),
                "precision": asdict(self.precision),
                "few_clusters": self.weakest.has_few_clusters,
                "confusion": self.confusion,
                "unscored": self.reasons,
                "kinds": {name: part.to_dict() for name, part in self.kinds.items()},
            }
        )


def _rejects(label: Label, yes: bool) -> bool | None:
    return None if label.is_same else not yes


def _kappa(cells: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cohen's kappa of tables of two by two.

    Args:
        cells: [table, 4] numbers of answers: no-no, no-yes, yes-no, yes-yes.

    Returns:
        [table] kappas; NaN where agreement by chance is certain, or a table is empty.
    """
    none, second, first, both = cells.T
    count = cells.sum(axis=1)
    chance = (first + both) * (second + both) + (none + second) * (none + first)
    beyond = count**2 - chance
    kappas: NDArray[np.float64] = np.full(len(cells), np.nan)
    np.divide((none + both) * count - chance, beyond, out=kappas, where=beyond > 0)
    return kappas


@dataclass(frozen=True)
class ThresholdSweep:
    """A component that gives a similarity, as a judge, at each of several thresholds.

    Attributes:
        name: of the component.
        thresholds: agreement by threshold, ascending.
    """

    name: str
    thresholds: Mapping[float, LabelAgreement]

    @cached_property
    def best(self) -> float:
        """The threshold with the largest kappa; the lowest of several, also if none of them is better than chance."""
        return max(self.thresholds, key=lambda one: (_or_worst(self.thresholds[one].kappa.estimate), -one))

    def table(self) -> Table:
        """One row per threshold; the best is marked if it agrees with people better than chance does."""
        starred = self.best if self.thresholds[self.best].kappa.estimate > 0 else None
        rows = [
            [
                f"{threshold:g}" + (" *" if threshold == starred else ""),
                *(
                    number(value, percent=percent)
                    for value, percent in (
                        (found.precision.estimate, True),
                        (found.errors.sensitivity.estimate, True),
                        (found.errors.specificity.estimate, True),
                        (found.agreement.estimate, True),
                        (found.kappa.estimate, False),
                    )
                ),
            ]
            for threshold, found in self.thresholds.items()
        ]
        heads = ["Threshold", "Precision", "Sensitivity", "Specificity", "Agreement", "Kappa"]
        mark = "no kappa is above 0, so that none is better" if starred is None else "* largest kappa"
        return Table(f"{self.name} and people by threshold ({mark})", heads, rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: that of the best threshold, and of each."""
        return {
            **self.thresholds[self.best].to_dict(),
            "threshold": self.best,
            "thresholds": [{"threshold": one, **found.to_dict()} for one, found in self.thresholds.items()],
        }


def _or_worst(value: float) -> float:
    return -math.inf if math.isnan(value) else value
