"""How often a judge errs, and the accuracy that is left when its errors are taken out of a measured one."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medix.evaluation.statistics import Interval


@dataclass(frozen=True, slots=True)
class JudgeErrors:
    """Error rates of a judge, measured on answers that people have judged.

    Attributes:
        judge: identity of the judge.
        sensitivity: share of the answers that people accept which the judge accepts.
        specificity: share of the answers that people reject which the judge rejects.
    """

    judge: str
    sensitivity: Interval
    specificity: Interval

    @classmethod
    def read(cls, path: Path) -> "JudgeErrors":
        """Read what ``medix judge agreement --json`` wrote.

        Raises:
            ValueError: the file is not of this kind.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            rates = [Interval(**_numbers(dict(data[name]))) for name in ("sensitivity", "specificity")]
            return cls(str(data["judge"]), *rates)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path}: not the error rates of a judge ({type(error).__name__}: {error}); give the file that "
                "medix judge agreement --json wrote"
            ) from error

    def check(self) -> None:
        """See to it that accuracies can be corrected.

        Raises:
            ValueError: sensitivity + specificity is at most 1, so that nothing can be told from the verdicts, or one of
                the two was not measured.
        """
        sensitivity, specificity = self.sensitivity.estimate, self.specificity.estimate
        if math.isnan(sensitivity) or math.isnan(specificity):
            raise ValueError(
                f"the errors of {self.judge} are not known: its labels lack answers that people accept, or that they "
                "reject, with a verdict"
            )
        if sensitivity + specificity <= 1:
            raise ValueError(
                f"sensitivity {sensitivity:.3f} and specificity {specificity:.3f} of {self.judge} sum to at most 1: "
                "its verdicts say nothing of the accuracy, which cannot be corrected; take another judge"
            )

    def corrected(self, accuracy: Interval, confidence: float = 0.95) -> Interval:
        """The accuracy that people would have found (Rogan and Gladen, Am. J. Epidemiol. 107, 1978).

        π = (p + specificity - 1) / (sensitivity + specificity - 1) for a measured accuracy p, cut to [0, 1], with the
        interval of Lang and Reiczigel (Prev. Vet. Med. 113, 2014), which counts the uncertainty of all three. Numbers
        of observations are the effective ones (``Interval.effective``), so that clustered ones count less. Assumes that
        the judge errs as often on these answers as on those that people judged.

        Raises:
            ValueError: sensitivity + specificity is at most 1, so that nothing can be told from the verdicts, or one of
                the two was not measured.
        """
        from scipy.stats import norm

        self.check()
        sensitivity, specificity = self.sensitivity.estimate, self.specificity.estimate
        if not accuracy.count:
            return accuracy
        estimate = (accuracy.estimate + specificity - 1) / (sensitivity + specificity - 1)
        numbers = accuracy.effective, self.sensitivity.effective, self.specificity.effective
        if any(math.isnan(number) for number in numbers):
            return Interval(_unit(estimate), math.nan, math.nan, accuracy.count, accuracy.clusters, "rogan-gladen")
        z = float(norm.ppf((1 + confidence) / 2))
        number = numbers[0] + z**2
        share = (numbers[0] * accuracy.estimate + z**2 / 2) / number
        yes, no = (
            (size * rate + 1) / (size + 2) for size, rate in zip(numbers[1:], (sensitivity, specificity), strict=True)
        )
        slope = yes + no - 1
        if slope <= 0:  # so few labels that adding one on each side leaves nothing
            return Interval(_unit(estimate), 0.0, 1.0, accuracy.count, accuracy.clusters, "rogan-gladen")
        centre = (share + no - 1) / slope
        parts = share * (1 - share) / number, yes * (1 - yes) / (numbers[1] + 2), no * (1 - no) / (numbers[2] + 2)
        error = math.sqrt(parts[0] + centre**2 * parts[1] + (1 - centre) ** 2 * parts[2]) / slope
        shift = 2 * z**2 * (centre * parts[1] - (1 - centre) * parts[2])
        return Interval(
            _unit(estimate),
            min(_unit(estimate), _unit(centre + shift - z * error)),
            max(_unit(estimate), _unit(centre + shift + z * error)),
            accuracy.count,
            accuracy.clusters,
            "rogan-gladen",
            error,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value))


def _numbers(data: dict[str, Any]) -> dict[str, Any]:
    """Fields of an interval; JSON has None where there is no number."""
    return {name: math.nan if value is None else value for name, value in data.items()}
