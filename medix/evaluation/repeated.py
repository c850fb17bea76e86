"""Several completions of one question: how often one is right, and whether their agreement tells when."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medix.evaluation.scored_completion import ScoredCompletion
from medix.judge.clinical.text import is_same


def pass_at_k(count: int, right: int, k: int) -> float:
    """Probability that at least one of k completions, drawn without replacement from ``count``, is right.

    1 - C(n - c, k) / C(n, k), the unbiased estimator of arXiv:2107.03374, equation 1; NaN if k exceeds ``count``.
    """
    if k > count:
        return math.nan
    return 1 - math.comb(count - right, k) / math.comb(count, k)


@dataclass(frozen=True, slots=True)
class MajorityAnswer:
    """The most common answer to one question.

    Attributes:
        confidence: share of the completions that give it; one without an answer gives none, and 0 if none has one.
        is_right: whether the judge accepts it: the mean credit of its completions is at least 0.5.
    """

    confidence: float
    is_right: bool


def majority(completions: Sequence[ScoredCompletion]) -> MajorityAnswer | None:
    """The most common answer of an item, the earliest of several; None if no completion that gives it is scored.

    Answers are one that rules take for one (``ScoredCompletion.meaning``), or the exact judge where no choice is named:
    "B", "Option B" and the text of choice B are one answer, and so are "Y" and "yes". So are all that the judge accepts
    in full, which mean the reference. Wrong answers in other words count as others, although they may mean the same.
    Where no completion has an answer, confidence is 0 and the item is wrong. Requests that failed are left out, as in
    means.
    """
    groups: dict[int | str, list[ScoredCompletion]] = {}
    made = [one for one in completions if one.completion is not None]
    for one in made:
        name = one.meaning
        if name is None:
            continue
        if isinstance(name, str):
            texts = (known for known in groups if isinstance(known, str))
            name = next((known for known in texts if _is_same(known, name)), name)
        groups.setdefault(name, []).append(one)
    accepted = [name for name, group in groups.items() if _is_accepted(group)]
    for name in accepted[1:]:
        groups[accepted[0]] += groups.pop(name)
    largest = max(groups.values(), key=len, default=[])
    given = [one.credit for one in largest or made if one.credit is not None]
    if not given:
        return None
    return MajorityAnswer(len(largest) / len(made), math.fsum(given) / len(given) >= 0.5)


def _is_accepted(group: Sequence[ScoredCompletion]) -> bool:
    """Whether all of a group that have a verdict have full credit."""
    given = [one.credit for one in group if one.credit is not None]
    return bool(given) and min(given) == 1.0


def _is_same(first: str, second: str) -> bool:
    return first.strip().casefold() == second.strip().casefold() or is_same(first, second)


@dataclass(frozen=True)
class Calibration:
    """Whether agreement among completions tells when their majority is right.

    Attributes:
        items: number of questions with a majority answer.
        accuracy: share of them whose majority is right.
        error: expected calibration error: mean distance of confidence and accuracy over questions, by confidence.
        area: area under the risk-coverage curve: mean risk over all coverages; smaller is better.
        random_area: the same if confidence told nothing, which is the overall risk.
        curve: points (coverage, risk): answering only the questions of highest confidence leaves that share wrong.
        bins: by confidence, number of questions and share whose majority is right.
    """

    items: int
    accuracy: float
    error: float
    area: float
    random_area: float
    curve: tuple[tuple[float, float], ...]
    bins: tuple[tuple[float, int, float], ...]

    @classmethod
    def of(cls, answers: Sequence[MajorityAnswer]) -> "Calibration":
        """Calibration over questions. Those of one confidence cannot be told apart, so each point takes all of them.

        The error is that of arXiv:1706.04599, equation 3, with one bin for each confidence that occurs: K completions
        agree in at most K shares. The area is that of arXiv:1805.08206, section 2, by the trapezoidal rule over the
        points of the curve, continued to coverage 0 at the risk of its first point.
        """
        if not answers:
            return cls(0, math.nan, math.nan, math.nan, math.nan, (), ())
        confidence = np.array([one.confidence for one in answers])
        right = np.array([one.is_right for one in answers], dtype=np.float64)
        levels = np.unique(confidence)[::-1]
        bins, curve, error = [], [], 0.0
        for level in levels:
            chosen = confidence == level
            bins.append((float(level), int(chosen.sum()), float(right[chosen].mean())))
            error += float(chosen.mean()) * abs(float(right[chosen].mean()) - float(level))
            answered = confidence >= level
            curve.append((float(answered.mean()), 1 - float(right[answered].mean())))
        ends = [(0.0, curve[0][1]), *curve]
        area = float(np.trapezoid([risk for _, risk in ends], [coverage for coverage, _ in ends]))
        return cls(len(answers), float(right.mean()), error, area, curve[-1][1], tuple(curve), tuple(bins))

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "items": self.items,
            "accuracy": self.accuracy,
            "expected_calibration_error": self.error,
            "area_under_risk_coverage": self.area,
            "area_without_confidence": self.random_area,
            "risk_coverage": [list(point) for point in self.curve],
            "bins": [{"confidence": level, "items": count, "right": share} for level, count, share in self.bins],
        }


@dataclass(frozen=True)
class Repeated:
    """Results over several completions of each item.

    Attributes:
        samples: completions of each item.
        pass_at: mean probability that at least one of k is right, by k, over the items with at least k scored ones.
        pass_items: number of these items, by k.
        calibration: of the agreement among completions.
    """

    samples: int
    pass_at: Mapping[int, float]
    pass_items: Mapping[int, int]
    calibration: Calibration

    @classmethod
    def of(cls, completions: Sequence[ScoredCompletion]) -> "Repeated | None":
        """Results of a task; None if it has one completion of each item."""
        items: dict[str, list[ScoredCompletion]] = {}
        for one in completions:
            items.setdefault(one.item, []).append(one)
        samples = max(map(len, items.values()), default=0)
        if samples < 2:
            return None
        counts = [
            (len(given), sum(credit >= 0.5 for credit in given))
            for rows in items.values()
            if (given := [one.credit for one in rows if one.credit is not None])
        ]
        shown = sorted({k for k in (1, 2, 5, 10, 100) if k < samples} | {samples})
        values = {k: [pass_at_k(count, right, k) for count, right in counts if count >= k] for k in shown}
        pass_at = {k: sum(found) / len(found) if found else math.nan for k, found in values.items()}
        answers = [answer for rows in items.values() if (answer := majority(rows)) is not None]
        return cls(samples, pass_at, {k: len(found) for k, found in values.items()}, Calibration.of(answers))

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "samples": self.samples,
            "pass_at": {str(k): value for k, value in self.pass_at.items()},
            "pass_items": {str(k): count for k, count in self.pass_items.items()},
            "calibration": self.calibration.to_dict(),
        }
