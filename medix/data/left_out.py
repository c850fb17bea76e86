"""Rows that a build of shards leaves out: faults and refusals, counted by kind and written to a file."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from medix.data.sources.source import RowError
from medix.files.atomic_file import ESCAPE
from medix.visible_text import visible

_SHOWN = 10


class LeftOut:
    """Counts rows that are left out and writes one JSON line for each.

    Args:
        path: the file, which is begun anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.faults: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._first: list[str] = []
        self._first_refused: list[str] = []
        self._file: Any = open(path, "w", encoding="utf-8", errors=ESCAPE, newline="\n")  # noqa: SIM115

    def add(self, where: str, error: RowError) -> None:
        """Count a row."""
        (self.refused if error.refused else self.faults)[error.kind] += 1
        first = self._first_refused if error.refused else self._first
        if len(first) < _SHOWN:
            first.append(f"  {where}: {error}")
        line = {
            "where": where,
            "refused": error.refused,
            "kind": error.kind,
            "key": error.key,
            "value": f"{error.value!r:.120}",
            "remedy": error.remedy,
        }
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    @property
    def total(self) -> int:
        """Number of rows."""
        return self.faults.total() + self.refused.total()

    @property
    def counts(self) -> Counter[str]:
        """Number of rows by kind."""
        return self.faults + self.refused

    def examples(self) -> str:
        """The first rows and why they are left out, up to ten lines; faults before refusals."""
        return visible("\n".join([*self._first, *self._first_refused][:_SHOWN]))

    def report(self, name: str, remedy: str = "") -> str:
        """The number of faults and the first ten of them.

        Args:
            name: of the input.
            remedy: last line.
        """
        number = self.faults.total()
        lines = [f"{name}: {number:,} faulty row{'' if number == 1 else 's'}", *self._first]
        if number > _SHOWN:
            lines.append(f"  … and {number - _SHOWN:,} more")
        return visible("\n".join([*lines, remedy] if remedy else lines))
