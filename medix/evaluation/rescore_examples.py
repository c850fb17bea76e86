"""The completions whose scores change most, collected in one pass over a run."""

import heapq
import math
from collections.abc import Mapping, Sequence
from typing import Any

from medix.evaluation.rank_change import TIE
from medix.evaluation.recorded_run import RecordedGroup
from medix.evaluation.rescore_rows import Rows, Scoring
from medix.reporting.record import CompletionRecord
from medix.rewards.table import RewardTable
from medix.types import SampleKey, Status

KINDS = {
    "gained": "Gained most",
    "lost": "Lost most",
    "pushed": "Advantage changed most",
}

_LONGEST = 4000


class Examples:
    """The completions whose scores change most, by kind, at most one per sample; memory is bounded by ``count``.

    Args:
        count: number of examples of each kind.
    """

    def __init__(self, count: int = 12) -> None:
        self.count = count
        self._best: dict[str, dict[SampleKey, tuple[float, int, Any]]] = {kind: {} for kind in KINDS}
        self._added = 0

    def add(self, groups: Sequence[RecordedGroup], table: RewardTable, rows: Rows) -> None:
        """Keep the largest changes among groups that were scored twice."""
        gains = (rows.after.total - rows.before.total).tolist()
        shifts = abs(rows.after.advantage - rows.before.advantage).tolist()
        columns = {name: scores.value.tolist() for name, scores in table.components.items()}
        start = 0
        for group in groups:
            for offset, record in enumerate(group.records):
                row = start + offset
                for kind, size in (("gained", gains[row]), ("lost", -gains[row]), ("pushed", shifts[row])):
                    if self._is_large(kind, size):
                        self._keep(kind, record.sample_key, size, completion(record, rows, table, columns, row))
            start += len(group.records)

    def found(self) -> dict[str, list[dict[str, Any]]]:
        """The examples by kind, the largest change first."""
        return {
            kind: [entry for _, _, entry in sorted(best.values(), key=_rank)][: self.count]
            for kind, best in self._best.items()
        }

    def _is_large(self, kind: str, size: float) -> bool:
        """Whether a change exceeds the smallest one kept; False for NaN, where either score is missing."""
        if not size > TIE or not self.count:
            return False
        best = self._best[kind]
        return len(best) < self.count or size > self._smallest_kept(kind)

    def _smallest_kept(self, kind: str) -> float:
        return heapq.nlargest(self.count, (size for size, _, _ in self._best[kind].values()))[-1]

    def _keep(self, kind: str, sample: SampleKey, size: float, entry: Mapping[str, Any]) -> None:
        best = self._best[kind]
        if sample in best and best[sample][0] >= size:
            return
        self._added += 1
        best[sample] = (size, self._added, entry)
        if len(best) > 2 * self.count:
            kept = sorted(best.items(), key=lambda item: _rank(item[1]))[: self.count]
            self._best[kind] = dict(kept)


def _rank(kept: tuple[float, int, Any]) -> tuple[float, int]:
    return -kept[0], kept[1]


def completion(
    record: CompletionRecord, rows: Rows, table: RewardTable, columns: Mapping[str, Sequence[float]], row: int
) -> dict[str, Any]:
    """One completion with both scorings, as plain data."""
    after = {
        name: {
            "value": None if math.isnan(columns[name][row]) else columns[name][row],
            "status": scores.status[row].value,
            "reason": scores.reason[row] if scores.status[row] is Status.UNSCORED else "",
        }
        for name, scores in table.components.items()
    }
    before = {
        name: {"value": entry.value, "status": entry.status, "reason": entry.reason}
        for name, entry in record.components.items()
    }
    return {
        **{
            name: getattr(record, name)
            for name in ("step", "dataset", "id", "index", "case", "source", "modality", "tokens")
        },
        **{name: _truncate(getattr(record, name)) for name in ("question", "reference", "completion")},
        "aliases": list(record.aliases),
        "answer": None if record.answer is None else _truncate(record.answer),
        "before": {"total": _value(rows.before, "total", row), "advantage": _value(rows.before, "advantage", row)}
        | {"components": before},
        "after": {"total": _value(rows.after, "total", row), "advantage": _value(rows.after, "advantage", row)}
        | {"components": after, "reason": table.reason[row]},
    }


def _value(scoring: Scoring, name: str, row: int) -> float | None:
    value = float(getattr(scoring, name)[row])
    return None if math.isnan(value) else value


def _truncate(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} … (truncated: {len(text) - _LONGEST} more characters)"
