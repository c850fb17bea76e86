"""One validation: every judged completion of a split at one step, and their summary."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from medix.evaluation.summary import Summary, by_modality, by_source, by_subgroup, summarise
from medix.reporting.measured_with import OF_REWARDS, PARTS
from medix.reporting.record import CompletionRecord


def incomparable(first: Mapping[str, Any], last: Mapping[str, Any], *, of_rewards: bool = True) -> list[str]:
    """What two validations, as plain data, were measured with that differs; empty if they can be compared.

    What is not recorded, as in older runs, counts as equal.

    Args:
        first, last: the two validations.
        of_rewards: whether rewards are compared too; without them, what only these depend on may differ.
    """
    ours, others = first.get("suite") or {}, last.get("suite") or {}
    found = [
        text
        for name, text in PARTS.items()
        if (of_rewards or name not in OF_REWARDS) and name in ours and name in others and ours[name] != others[name]
    ]
    if first.get("judge") != last.get("judge"):
        found.append(PARTS["judge"])
    if bool(first.get("exchanged")) != bool(last.get("exchanged")):
        found.append("images exchanged in one of them")
    if first.get("judged") and last.get("judged") and first["judged"] != last["judged"]:
        found.append(PARTS["data"])
    return list(dict.fromkeys(found))


def differences_from_training(trained: Mapping[str, Any], entry: Mapping[str, Any]) -> list[str]:
    """What a later result was measured with that the validations of its training were not; empty for the same.

    Another split has other samples, and a control experiment other images, as their names say: only what remains is
    named.

    Args:
        trained: the last validation of the training, as plain data.
        entry: a result of ``validate`` or ``test``.
    """
    suite, hidden = dict(entry.get("suite") or {}), {"exchanged": trained.get("exchanged")}
    is_other_split = entry.get("split") != trained.get("split")
    if entry.get("exchanged") or is_other_split:
        suite.pop("data", None)
    if is_other_split:
        hidden["judged"] = None
    return incomparable(trained, {**entry, "suite": suite, **hidden})


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
        subgroups: summaries by each of ``data.subgroups``.
        seconds: wall time.
        suite: identity of what it was measured with, by part (``GroupRLModule.suite``); empty if unknown.
        exchanged: whether the policy saw images of other cases, as a control experiment.
        left_out: samples of the split that are not among the records, because the policy cannot take their prompts.
    """

    step: int
    split: str
    judge: str
    records: Sequence[CompletionRecord]
    overall: Summary
    modalities: Mapping[str, Summary]
    sources: Mapping[str, Summary]
    seconds: float = 0.0
    suite: Mapping[str, str] = field(default_factory=dict)
    exchanged: bool = False
    left_out: int = 0
    subgroups: Mapping[str, Mapping[str, Summary]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        records: Sequence[CompletionRecord],
        *,
        step: int,
        split: str,
        judge: str,
        seconds: float = 0.0,
        suite: Mapping[str, str] | None = None,
        left_out: int = 0,
    ) -> "Validation":
        """Summarise the completions of all ranks, each given once.

        Raises:
            ValueError: some are of the control experiment with exchanged images and some are not.
        """
        kinds = {record.exchanged for record in records}
        if len(kinds) > 1:
            raise ValueError(
                "some completions have their own images and some those of other cases (exchanged: true), which are no "
                "one result; give a file of one kind"
            )
        parts = by_modality(records), by_source(records)
        exchanged = kinds == {True}
        return cls(
            step, split, judge, records, summarise(records), *parts, seconds, suite or {}, exchanged, left_out,
            by_subgroup(records),
        )  # fmt: skip

    @property
    def stem(self) -> str:
        """What the names of its files and metrics begin with: the split, marked for the control experiment."""
        return f"{self.split}-exchanged" if self.exchanged else self.split

    @property
    def judged(self) -> str:
        """Digest of the identities of its completions: other limits of batches judge other samples of one split."""
        keys = sorted({(*record.sample_key, record.index) for record in self.records})
        return hashlib.sha256(json.dumps(keys).encode()).hexdigest()[:16]

    def metrics(self) -> dict[str, float]:
        """Metrics for loggers, such as ``val/accuracy/CT_SCAN`` and ``val/accuracy/source/slake``; NaN is left out."""
        values = {f"{self.stem}/completions": float(self.overall.completions)}
        values[f"{self.stem}/prompts_too_long"] = float(self.left_out)
        values |= _metrics(self.stem, self.overall)
        for name, summary in self.modalities.items():
            values |= _slice_metrics(self.stem, name, summary)
        for name, summary in self.sources.items():
            values |= _slice_metrics(self.stem, f"source/{name}", summary)
        for field_name, summaries in self.subgroups.items():
            for name, summary in summaries.items():
                values |= _slice_metrics(self.stem, f"{field_name}/{name}", summary)
        return {key: value for key, value in values.items() if not math.isnan(value)}

    def to_dict(self) -> dict[str, Any]:
        """Plain data, without the completions."""
        return {
            "step": self.step,
            "split": self.split,
            "judge": self.judge,
            "suite": dict(self.suite),
            "exchanged": self.exchanged,
            "left_out": self.left_out,
            "judged": self.judged,
            **self.overall.to_dict(),
            "modalities": {name: summary.to_dict() for name, summary in self.modalities.items()},
            "sources": {name: summary.to_dict() for name, summary in self.sources.items()},
            "subgroups": {
                field_name: {name: summary.to_dict() for name, summary in summaries.items()}
                for field_name, summaries in self.subgroups.items()
            },
            "seconds": self.seconds,
        }


def _metrics(split: str, summary: Summary) -> dict[str, float]:
    values = {
        "reward": summary.reward.estimate,
        "accuracy": summary.accuracy.estimate,
        "modality_accuracy": summary.modality_accuracy.estimate,
        "unscored": summary.unscored,
        "reward/unscored": summary.unscored_reward,
        "accepted_wrong": summary.accepted_wrong,
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
