"""One validation: every judged completion of a split at one step, and their summary."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medix.evaluation.summary import Summary, by_modality, by_source, summarise
from medix.reporting.record import CompletionRecord


@dataclass(frozen=True)
class Validation:
    """The result of one validation, identical on every rank.

    Attributes:
        step: finished steps of the policy.
        split: ``val`` or ``test``.
        judge: identity of the judge.
        records: each completion once, ordered by sample and index.
        overall: summary of all completions.
        modalities: summaries by true modality.
        sources: summaries by source.
        seconds: wall time.
    """

    step: int
    split: str
    judge: str
    records: Sequence[CompletionRecord]
    overall: Summary
    modalities: Mapping[str, Summary]
    sources: Mapping[str, Summary]
    seconds: float = 0.0

    @classmethod
    def of(
        cls, records: Sequence[CompletionRecord], *, step: int, split: str, judge: str, seconds: float = 0.0
    ) -> "Validation":
        """Summarise the completions of all ranks, each given once."""
        return cls(step, split, judge, records, summarise(records), by_modality(records), by_source(records), seconds)

    def metrics(self) -> dict[str, float]:
        """Metrics for loggers, such as ``val/accuracy/CT_SCAN`` and ``val/accuracy/source/slake``; NaN is left out."""
        values = {f"{self.split}/completions": float(self.overall.completions)}
        values |= _metrics(self.split, self.overall)
        for name, summary in self.modalities.items():
            values |= _slice_metrics(self.split, name, summary)
        for name, summary in self.sources.items():
            values |= _slice_metrics(self.split, f"source/{name}", summary)
        return {key: value for key, value in values.items() if not math.isnan(value)}

    def to_dict(self) -> dict[str, Any]:
        """Plain data, without the completions."""
        return {
            "step": self.step,
            "split": self.split,
            "judge": self.judge,
            **self.overall.to_dict(),
            "modalities": {name: summary.to_dict() for name, summary in self.modalities.items()},
            "sources": {name: summary.to_dict() for name, summary in self.sources.items()},
            "seconds": self.seconds,
        }


def _metrics(split: str, summary: Summary) -> dict[str, float]:
    values = {
        "reward": summary.reward.estimate,
        "accuracy": summary.accuracy.estimate,
        "modality_accuracy": summary.modality_accuracy.estimate,
        "unscored": summary.unscored,
        "reward/unscored": summary.unscored_reward,
        "format": summary.well_formed,
        "truncated": summary.truncated,
        "tokens": summary.tokens,
    }
    values |= {f"reward/{name}": value for name, value in summary.components.items()}
    values |= {f"reward/{name}/unscored": value for name, value in summary.component_unscored.items()}
    return {f"{split}/{name}": value for name, value in values.items()}


def _slice_metrics(split: str, name: str, summary: Summary) -> dict[str, float]:
    values = {
        "reward": summary.reward.estimate,
        "accuracy": summary.accuracy.estimate,
        "modality_accuracy": summary.modality_accuracy.estimate,
        "unscored": summary.unscored,
        "completions": float(summary.completions),
    }
    return {f"{split}/{key}/{name}": value for key, value in values.items()}
