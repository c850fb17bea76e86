"""The log of one start of a run, which a power cut may have damaged."""

import csv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_NEEDED = ("seconds/update", "seconds/step", "train/tokens_per_second", "train/ranks", "step")


@dataclass(frozen=True)
class StepLog:
    """What ``LogRewards`` has logged with the CSV logger, up to the first damaged line.

    Attributes:
        path: of the file.
        steps: the numbers of each step.
        passed_over: number of lines from the damaged one on.
    """

    path: Path
    steps: tuple[dict[str, float], ...]
    passed_over: int = 0

    @classmethod
    def read(cls, path: Path) -> "StepLog":
        """Read a log: a power cut leaves zero bytes, or a part of a line."""
        *lines, rest = path.read_text(encoding="utf-8", errors="replace").split("\n")
        lines = [line for line in lines if line]
        whole = list(_whole(lines))
        steps = tuple(row for row in whole if all(row.get(name, 0.0) > 0 for name in _NEEDED))
        return cls(path, steps, len(lines) + bool(rest) - len(whole))

    @property
    def damage(self) -> str:
        """What was passed over, in words; empty for a whole log."""
        count = "1 line" if self.passed_over == 1 else f"{self.passed_over:,} lines"
        return f"{count} of {self.path} passed over, from the first damaged one on" if self.passed_over else ""


def logs_in(folder: Path) -> list[StepLog]:
    """The logs of all starts of a run, in order.

    Args:
        folder: of the run.
    """
    numbers = {path: path.parent.name.removeprefix("version_") for path in folder.glob("logs/version_*/metrics.csv")}
    paths = sorted((path for path in numbers if numbers[path].isdecimal()), key=lambda path: int(numbers[path]))
    return [StepLog.read(path) for path in paths]


def _whole(lines: list[str]) -> Iterator[dict[str, float]]:
    """The numbers of each line up to the first that is damaged; of the header there are none."""
    with suppress(csv.Error, ValueError):
        records = csv.reader(lines)
        names = next(records, [])
        if "step" not in names:
            return
        yield {}
        for record in records:
            yield {name: float(text) for name, text in zip(names, record, strict=True) if text}
