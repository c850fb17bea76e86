"""The rates of a run that has been, from its logs."""

import csv
import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PHASES = ("rollout", "old_logprobs", "update", "publish")


@dataclass(frozen=True)
class MeasuredRun:
    """What a run took.

    Attributes:
        folder: of the run, for messages.
        ranks: of the run.
        seconds_per_token: of each phase, for each completion token that was trained; the median of all steps.
        steps: that were logged.
    """

    folder: str
    ranks: int
    seconds_per_token: Mapping[str, float]
    steps: int

    @classmethod
    def read(cls, folder: Path) -> "MeasuredRun":
        """Read the logs of ``LogRewards`` and the files of ``RecordCompletions``.

        Args:
            folder: the run's.

        Raises:
            ValueError: they are not there.
        """
        found: dict[str, list[float]] = {name: [] for name in PHASES}
        for path in sorted(folder.glob("logs/version_*/metrics.csv")):
            with path.open(newline="", encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    rate, seconds = row.get("train/tokens_per_second"), row.get("seconds/step")
                    if not rate or not seconds or float(rate) <= 0:
                        continue
                    for name in PHASES:
                        if row.get(f"seconds/{name}"):
                            found[name].append(float(row[f"seconds/{name}"]) / (float(rate) * float(seconds)))
        ranks = len(list(folder.glob("completions/train.rank*.jsonl")))
        if not found["update"] or not ranks:
            raise ValueError(
                f"--rates {folder}: holds no logs of steps with seconds/update and train/tokens_per_second and "
                "completions/train.rank*.jsonl; name the folder of a run with the callbacks LogRewards and "
                "RecordCompletions and the CSV logger"
            )
        medians = {name: statistics.median(values) for name, values in found.items() if values}
        return cls(str(folder), ranks, medians, len(found["update"]))
