"""A child process that ends with this process, whose output is always read."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import psutil

_POLL = 0.5
_GRACE = 30.0
"""Seconds that the child has to end by itself once it was told to."""
_KILLS = 20
_KEPT_LINES = 25
_PR_SET_PDEATHSIG = 1


class ChildProcess:
    """A command, started at once in a process group of its own.

    Args:
        words: the command.
        environment: variables beside those of this process, which take precedence over them.
        overrides: variables that take precedence over those of this process.

    Attributes:
        is_shown: whether further output goes to standard error.
        stopped_at: when this process received a signal; None if it did not.
        signal_number: of that signal.
    """

    def __init__(
        self, words: Sequence[str], environment: Mapping[str, str], overrides: Mapping[str, str] | None = None
    ) -> None:
        self._process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches it once, through us, and its workers can be ended with it
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            env={**environment, **os.environ, **(overrides or {})},
        )
        assert self._process.stdout is not None
        self.is_shown = False
        self.stopped_at: float | None = None
        self.signal_number = 0
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        output = self._process.stdout
        self._reader = threading.Thread(target=self._read, args=(output,), name="medix-child-output", daemon=True)
        self._reader.start()

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def tail(self) -> str:
        """Its last lines of output."""
        return "\n".join(f"  {line}" for line in self._lines) or "  (no output)"

    def last_line(self) -> str:
        """Its last line of output."""
        return self._lines[-1] if self._lines else "no output yet"

    @contextlib.contextmanager
    def forwarding_signals(self) -> Iterator[None]:
        """Inside, Ctrl-C and SIGTERM are passed on to the child; the second signal kills it."""

        def forward(number: int, frame: Any) -> None:  # noqa: ARG001 - the signature of a handler
            if self.stopped_at is not None:
                self._kill()
            self.stopped_at, self.signal_number = time.monotonic(), number
            self._process.send_signal(number)

        before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def wait(self) -> int:
        """Its status as a shell gives it; one that was told to stop and does not within the grace period is killed."""
        while True:
            try:
                status = self._process.wait(timeout=_POLL)
            except subprocess.TimeoutExpired:
                if self.stopped_at is not None and time.monotonic() - self.stopped_at > _GRACE:
                    self._kill()
                continue
            return status if status >= 0 else 128 - status

    def stop(self) -> None:
        """End it and whatever it started, whatever happened."""
        if self.is_running:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=_GRACE)
        self._kill()
        self._process.wait()

    def finish_output(self) -> None:
        """Wait for its last lines; a worker that outlives it may hold the pipe, so not for ever."""
        self._reader.join(timeout=5)

    def _kill(self) -> None:
        """Kill what is left of its group but Python's resource trackers: they remove the shared memory of the others.

        A tracker ends by itself, once it has done so.
        """
        for _ in range(_KILLS):  # again for what was started meanwhile
            members = [process for process in psutil.process_iter() if _is_member(process, self._process.pid)]
            if not members:
                return
            for process in members:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(_POLL / 10)

    def _read(self, stream: Iterable[str]) -> None:
        for line in stream:  # always, so that the child never blocks
            if line.strip():
                self._lines.append(line.rstrip())
            if self.is_shown:
                sys.stderr.write(line)


def _is_member(process: psutil.Process, group: int) -> bool:
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        return (
            os.getpgid(process.pid) == group
            and process.status() != psutil.STATUS_ZOMBIE
            and not any("resource_tracker" in word for word in process.cmdline())
        )
    return False


def _end_with_parent() -> None:
    """In the child: have the kernel end it when this process is killed, so that it does not keep the GPU."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
