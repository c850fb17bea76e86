"""Error rates of a judge on the canaries: how often it accepts wrong answers and rejects right ones, with intervals."""

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from medix.evaluation.statistics import Interval, wilson
from medix.judge.canaries import GradedCanary
from medix.reporting.table import Table, interval, number


@dataclass(frozen=True, slots=True)
class CanaryLimits:
    """Upper limits on the error rates of a judge; None sets no limit.

    Args:
        false_positive: share of wrong answers that it accepts.
        false_negative: share of right answers that it rejects.
        unscored: share of canaries without a verdict.
    """

    false_positive: float | None = None
    false_negative: float | None = None
    unscored: float | None = None

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"max_{name}: {value} is not a share; give a number from 0 to 1")


@dataclass(frozen=True, slots=True)
class CanaryRate:
    """Rate of wrong verdicts, either among attacks or among right answers.

    Attributes:
        is_right: whether the answers are right, so that this is a false-negative rate.
        asked: number of canaries that the judge was asked about.
        scored: number of canaries with a verdict.
        wrong: number of wrong verdicts.
        interval: ``wrong / scored`` with its 95 % Wilson interval; NaN if nothing is scored.
    """

    is_right: bool
    asked: int
    scored: int
    wrong: int
    interval: Interval

    @classmethod
    def of(cls, graded: Sequence[GradedCanary], *, is_right: bool) -> "CanaryRate":
        """Count the canaries with one expected verdict."""
        rows = [row for row in graded if row.canary.is_right is is_right]
        scored = sum(row.verdict.is_scored for row in rows)
        wrong = sum(row.is_failure for row in rows)
        return cls(is_right, len(rows), scored, wrong, wilson(wrong, scored))

    @property
    def rate(self) -> float:
        """Wrong verdicts per scored canary; NaN if there are none."""
        return self.interval.estimate

    @property
    def unscored(self) -> int:
        """Canaries without a verdict: neither right nor wrong."""
        return self.asked - self.scored

    def row(self, name: str) -> list[str]:
        """One row of a table."""
        expected = "YES" if self.is_right else "NO"
        rate = interval(asdict(self.interval), percent=True)
        return [name, expected, f"{self.wrong} of {self.scored}", rate, str(self.unscored)]

    def to_dict(self) -> dict[str, Any]:
        """Plain data; NaN if nothing is scored."""
        return {
            "expected": "YES" if self.is_right else "NO",
            "asked": self.asked,
            "scored": self.scored,
            "wrong": self.wrong,
            "unscored": self.unscored,
            "rate": self.rate,
            "low": self.interval.low,
            "high": self.interval.high,
        }


@dataclass(frozen=True)
class CanaryRates:
    """One run of the canaries.

    Attributes:
        version: of the canary set.
        judge: identity of the judge.
        graded: every canary with its verdict.
    """

    version: str
    judge: str
    graded: tuple[GradedCanary, ...]

    @property
    def false_positive(self) -> CanaryRate:
        """How often a wrong answer was accepted."""
        return CanaryRate.of(self.graded, is_right=False)

    @property
    def false_negative(self) -> CanaryRate:
        """How often a right answer was rejected."""
        return CanaryRate.of(self.graded, is_right=True)

    @property
    def kinds(self) -> Mapping[tuple[str, bool], CanaryRate]:
        """Rates by kind and by whether the answers are right, attacks first."""
        groups: dict[tuple[str, bool], list[GradedCanary]] = {}
        for row in sorted(self.graded, key=lambda row: row.canary.is_right):
            groups.setdefault((row.canary.kind, row.canary.is_right), []).append(row)
        return {key: CanaryRate.of(rows, is_right=key[1]) for key, rows in groups.items()}

    @property
    def failures(self) -> tuple[GradedCanary, ...]:
        """Wrong verdicts, attacks first."""
        return tuple(sorted((row for row in self.graded if row.is_failure), key=lambda row: row.canary.is_right))

    @property
    def unscored(self) -> float:
        """Share of canaries without a verdict; NaN if there are none."""
        asked = len(self.graded)
        return sum(not row.verdict.is_scored for row in self.graded) / asked if asked else math.nan

    @property
    def reasons(self) -> Mapping[str, int]:
        """Why canaries are unscored, the most common first."""
        return dict(Counter(row.verdict.reason for row in self.graded if not row.verdict.is_scored).most_common())

    @property
    def latencies(self) -> tuple[float, float]:
        """Median and maximum time to a verdict in seconds, over scored canaries; NaN if there are none."""
        seconds = [row.verdict.latency for row in self.graded if row.verdict.is_scored]
        return (statistics.median(seconds), max(seconds)) if seconds else (math.nan, math.nan)

    def above(self, limits: CanaryLimits) -> list[str]:
        """The limits that the judge exceeds, one message each. A rate that could not be measured exceeds its limit."""
        sentences = []
        for name, rate, limit in (
            ("false-positive", self.false_positive, limits.false_positive),
            ("false-negative", self.false_negative, limits.false_negative),
        ):
            if limit is None or not rate.asked:
                continue
            if not rate.scored:
                sentences.append(f"{name} rate: unknown, none of {rate.asked} canaries has a verdict")
            elif rate.rate > limit:
                low, high = rate.interval.low, rate.interval.high
                sentences.append(
                    f"{name} rate: {rate.rate:.1%} ({rate.wrong} of {rate.scored}; 95 % interval {low:.1%} to "
                    f"{high:.1%}), limit {limit:.1%}"
                )
        if limits.unscored is not None and self.unscored > limits.unscored:
            sentences.append(f"unscored: {self.unscored:.1%} of {len(self.graded)}, limit {limits.unscored:.1%}")
        return sentences

    def metrics(self) -> dict[str, float]:
        """Metrics for loggers: ``canaries/false_positive``, ``…/<kind>`` and so on; NaN if nothing is scored."""
        median, longest = self.latencies
        found = {
            "canaries/false_positive": self.false_positive.rate,
            "canaries/false_negative": self.false_negative.rate,
            "canaries/unscored": self.unscored,
            "canaries/latency_median": median,
            "canaries/latency_max": longest,
        }
        for (kind, is_right), rate in self.kinds.items():
            side = "false_negative" if is_right else "false_positive"
            found[f"canaries/{side}/{kind.replace(' ', '_').replace('/', '_')}"] = rate.rate
        return found

    def table(self) -> Table:
        """Rates by kind, then over all attacks and over all right answers."""
        rows = [rate.row(kind) for (kind, _), rate in self.kinds.items()]
        rows += [self.false_positive.row("All attacks")]
        rows += [self.false_negative.row("All right answers")]
        heads = ["", "Expected", "Wrong", "Rate (95 % interval)", "Unscored"]
        return Table(f"{self.version}, judge {self.judge}", heads, rows)

    def failures_table(self, limit: int | None = None) -> Table:
        """Wrong verdicts with reference and answer; white space and control characters are made visible."""
        rows = [
            [
                row.canary.kind,
                _short(row.canary.question.reference),
                _short(row.canary.question.answer),
                "YES" if row.canary.expected == "NO" else "NO",
                number(row.verdict.confidence),
            ]
            for row in self.failures[:limit]
        ]
        heads = ["", "Reference", "Answer", "Verdict", "Confidence"]
        left_out = len(self.failures) - len(rows)
        return Table("Wrong verdicts" + (f" ({left_out} more are not shown)" if left_out else ""), heads, rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain data: rates, latencies, and every canary with its verdict."""
        median, longest = self.latencies
        return {
            "version": self.version,
            "judge": self.judge,
            "false_positive": self.false_positive.to_dict(),
            "false_negative": self.false_negative.to_dict(),
            "unscored": self.unscored,
            "reasons": dict(self.reasons),
            "latency": {"median": median, "max": longest},
            "kinds": [{"kind": kind, **rate.to_dict()} for (kind, _), rate in self.kinds.items()],
            "canaries": [
                {
                    "kind": row.canary.kind,
                    "expected": row.canary.expected,
                    **asdict(row.canary.question),
                    "is_failure": row.is_failure,
                    "verdict": asdict(row.verdict),
                }
                for row in self.graded
            ],
        }

    def examples(self, limit: int = 3) -> list[str]:
        """Descriptions of some failures, of different kinds if possible."""
        seen: dict[str, list[GradedCanary]] = {}
        for row in self.failures:
            seen.setdefault(row.canary.kind, []).append(row)
        firsts = [rows[0] for rows in seen.values()] + [row for rows in seen.values() for row in rows[1:]]
        return [
            f"{row.canary.kind}: to {row.canary.question.question!r}, with the reference "
            f"{row.canary.question.reference!r}, {_short(row.canary.question.answer)} "
            f"{'was accepted' if row.canary.expected == 'NO' else 'was rejected'}"
            for row in firsts[:limit]
        ]


def _short(text: str, limit: int = 80) -> str:
    """The text as a Python literal, so that white space and control characters are visible."""
    shown = ascii(text) if not text.isprintable() else repr(text)
    return shown if len(shown) <= limit else f"{shown[:limit]}…"
