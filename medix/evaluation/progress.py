"""How far a long piece of work is, and how long it still takes."""

import sys
import time
from collections import deque
from types import TracebackType

_WINDOW = 60.0  # seconds over which the speed is measured
_FEWEST = 5  # pieces before a time to go is said


class Progress:
    """One line on standard error: renewed every second on a terminal, written every half minute elsewhere.

    The time to go follows from the speed of the last minute, of this run alone: what an earlier run did is not counted.

    Args:
        name: what is being worked on.
        total: pieces of work.
        done: of them that were done before.
    """

    def __init__(self, name: str, total: int, done: int = 0) -> None:
        self.name = name
        self.total = total
        self.done = done
        self.failed = 0
        self._is_terminal = sys.stderr.isatty()
        self._every = 1.0 if self._is_terminal else 30.0
        self._began = self._shown = time.monotonic()
        self._times: deque[tuple[float, int]] = deque([(self._began, done)])

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_terminal:
            self._write("\n")

    def advance(self, *, is_failure: bool = False) -> None:
        """A piece is done."""
        self.done += 1
        self.failed += is_failure
        now = time.monotonic()
        if now - self._shown >= self._every:
            self._times.append((now, self.done))
            while now - self._times[0][0] > _WINDOW and len(self._times) > 2:
                self._times.popleft()
            self._shown = now
            self._write("" if self._is_terminal else "\n")

    @property
    def seconds_left(self) -> float | None:
        """Seconds to go; None while too little was done to say."""
        (begin, before), (end, after) = self._times[0], (time.monotonic(), self.done)
        if after - before < min(_FEWEST, self.total) or end <= begin:
            return None
        return (self.total - after) * (end - begin) / (after - before)

    def __str__(self) -> str:
        left = self.seconds_left
        parts = [f"{self.name}  {self.done:,}/{self.total:,}"]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.done < self.total and left is not None:
            parts.append(f"{clock(left)} left")
        return "  ".join(parts)

    def _write(self, end: str) -> None:
        start = "\r\x1b[K" if self._is_terminal else ""
        sys.stderr.write(f"{start}{self}{end}")
        sys.stderr.flush()


def clock(seconds: float) -> str:
    """Minutes and seconds, with hours where there are some: ``0:07``, ``1:02:03``."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
