"""The training steps whose completions are on record."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

_TAIL = 1 << 24
"""Bytes from the end of a record in which its last line is looked for."""


def lines_by_step(files: Iterable[Path]) -> Mapping[int, int]:
    """By step, in the order of the record, how many of its lines repeat an earlier one."""
    found: Counter[int] = Counter()
    seen: set[bytes] = set()
    for path in files:
        with path.open("rb") as lines:  # a whole record takes many times as long to read
            for line in lines:
                if (step := _step(line)) is not None:
                    digest = hashlib.blake2b(line.strip(), digest_size=16).digest()
                    found[step] += digest in seen
                    seen.add(digest)
    return dict(found)


def last_step(path: Path) -> int:
    """The step of the last line of a record that can be read; -1 without one."""
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - _TAIL))
        lines = file.read().splitlines()
    return next((step for line in reversed(lines) if (step := _step(line)) is not None), -1)


def _step(line: bytes) -> int | None:
    """The step of a record; None for a line that was cut."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
