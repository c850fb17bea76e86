"""Held-out reward over time, when it has been learnt, and ratios with their spread over seeds."""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Point:
    """One validation.

    Attributes:
        step: finished steps.
        seconds: of training, validations left out.
        cpu_seconds: of the process in that time, all threads together; other programs do not lengthen them.
        completions: sampled for training so far.
        reward: mean total of the held-out completions.
    """

    step: int
    seconds: float
    cpu_seconds: float
    completions: int
    reward: float


def learnt(curve: Sequence[Point], threshold: float) -> Point | None:
    """The first validation from which on every one, to the end of the run, is at or above the threshold.

    Returns:
        None if the last one is below it, or is not a number.
    """
    found = None
    for point in reversed(curve):
        if not point.reward >= threshold:
            break
        found = point
    return found


def ratio(theirs: float | None, ours: float | None) -> float:
    """How many times as much the other side took; infinite if it never got there, 0 if only we did not."""
    if theirs is None and ours is None:
        return math.nan
    if theirs is None:
        return math.inf
    return 0.0 if ours is None else theirs / ours


@dataclass(frozen=True)
class Spread:
    """Ratios of several seeds. None stands for what is no number: infinite, or of two runs that never got there."""

    min: float | None
    median: float | None
    max: float | None
    by_seed: tuple[float | None, ...]

    @classmethod
    def of(cls, ratios: Sequence[float]) -> "Spread":
        """The spread; a pair of runs of which neither got there leaves median and bounds unknown."""
        known = np.array(ratios, dtype=float)
        if not len(known) or np.isnan(known).any():
            return cls(None, None, None, tuple(map(_finite, ratios)))
        with np.errstate(invalid="ignore"):  # the median of a number and infinity is infinite
            middle = _finite(np.median(known))
        return cls(_finite(known.min()), middle, _finite(known.max()), tuple(map(_finite, ratios)))


def _finite(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


class Stopwatch:
    """Counts seconds, and those of the process on a CPU, while it runs."""

    def __init__(self) -> None:
        self._counted = (0.0, 0.0)
        self._since: tuple[float, float] | None = None

    def start(self) -> None:
        """Go on."""
        self._since = time.perf_counter(), time.process_time()

    def stop(self) -> tuple[float, float]:
        """Pause, and return both so far."""
        if self._since is not None:
            elapsed, busy = time.perf_counter() - self._since[0], time.process_time() - self._since[1]
            self._counted, self._since = (self._counted[0] + elapsed, self._counted[1] + busy), None
        return self._counted


def append(path: Path, point: Point) -> None:
    """Write a point as one line of JSON."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(point)) + "\n")


def read(path: Path) -> list[Point]:
    """The points of a file."""
    return [Point(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]
