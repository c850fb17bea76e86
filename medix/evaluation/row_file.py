"""Rows in a JSON lines file that is appended to, and survives being killed."""

import json
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from medix.files.atomic_file import ESCAPE, naming, write_atomically


class RowFile:
    """Rows with a ``key``; of several with one key the last one counts.

    Lines end at ``\\n`` only. A torn last line, as a kill leaves it, is ignored, and cut off before the next row is
    appended; any other line that is no row is an error.

    Args:
        path: the file; it need not exist.
        is_valid: whether a row holds what is needed of it, with values of the right types.

    Raises:
        ValueError: a line in the middle is no row.
    """

    def __init__(self, path: Path, is_valid: Callable[[Mapping[str, Any]], bool] = bool) -> None:
        self.path = path
        self._is_valid = is_valid
        self.rows: dict[str, dict[str, Any]] = {}
        self._whole = 0  # bytes up to the end of the last row
        self._superseded = 0
        self._stream: Any = None
        if path.exists():
            self._read()

    def _read(self) -> None:
        data = self.path.read_bytes()
        lines = data.split(b"\n")
        for number, line in enumerate(lines, start=1):
            is_last = number == len(lines)
            if line.strip():
                row = _row(line)
                if row is not None and not self._is_valid(row):
                    row = None
                if row is None and not is_last:
                    raise ValueError(
                        f"{self.path}, line {number}: is no row of an evaluation: {line[:80]!r}; restore the file, or "
                        "remove the line"
                    )
                if row is None or is_last:  # a whole last line without its end may still be a part of a longer one
                    break
                self._superseded += row["key"] in self.rows
                self.rows.pop(row["key"], None)
                self.rows[row["key"]] = row
            self._whole += 0 if is_last else len(line) + 1

    def append(self, row: Mapping[str, Any]) -> None:
        """Write a row; it is with the operating system when this returns."""
        if self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = open(self.path, "ab")  # noqa: SIM115 - closed by close
            self._stream.truncate(self._whole)
        with naming(self.path):
            self._stream.write(_line(row))
            self._stream.flush()
        self._superseded += row["key"] in self.rows
        self.rows[row["key"]] = dict(row)

    def keep(self, keys: Container[str]) -> list[dict[str, Any]]:
        """Leave only rows with these keys, one for each, and return the others. The file is replaced atomically."""
        self.close()
        others = [row for key, row in self.rows.items() if key not in keys]
        if others or self._superseded or (self.path.exists() and self.path.stat().st_size != self._whole):
            self._replace({key: row for key, row in self.rows.items() if key in keys})
        return others

    def sort(self, keys: Sequence[str]) -> None:
        """Put the rows into the order of these keys, which has a place for each. The file is replaced atomically."""
        self.close()
        ordered = {key: self.rows[key] for key in keys if key in self.rows}
        if list(ordered) != list(self.rows):
            self._replace(ordered)

    def _replace(self, rows: dict[str, dict[str, Any]]) -> None:
        self.rows = rows
        write_atomically(self.path, "".join(_line(row).decode("utf-8") for row in rows.values()))
        self._superseded = 0
        self._whole = self.path.stat().st_size

    def close(self) -> None:
        """Close the file; a further row opens it again."""
        if self._stream is not None:
            stream, self._stream = self._stream, None
            with naming(self.path):
                stream.close()
            self._whole = self.path.stat().st_size

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows.values())

    def __enter__(self) -> "RowFile":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def exchange(rows: RowFile, others: RowFile, keys: Container[str]) -> int:
    """Set rows aside whose keys are not wanted, and take back those that are.

    Args:
        rows: the file that is left with wanted keys only.
        others: where the others are kept. They are written there before they are removed here.
        keys: the wanted keys.

    Returns:
        Number of rows set aside.
    """
    aside = [row for row in rows if row["key"] not in keys]
    for row in aside:
        if others.rows.get(row["key"]) != row:  # else the file grows with every change of the judge
            others.append(row)
    rows.keep(keys)
    for row in others:
        if row["key"] in keys and row["key"] not in rows.rows:
            rows.append(row)
    return len(aside)


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, allow_nan=False).encode("utf-8", ESCAPE) + b"\n"


def _row(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("key"), str) else None
