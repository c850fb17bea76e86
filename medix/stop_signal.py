"""SIGINT, SIGTERM and SIGUSR1 during a run: a flag, and an exception where the work of this moment may be abandoned.

A handler only sets the flag. Inside ``abandonable`` it also raises ``StopRequested`` in the main thread, so that a
rollout or a validation of minutes ends at once; inside ``shielded`` (a collective operation, which the other ranks
are in as well) it waits for the end of the block. What is saved is saved later, from ordinary code.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""The last one is how a Slurm job asks to be told before its time is up (``#SBATCH --signal=USR1@300``)."""

SAME_SIGNAL_SECONDS = 2.0
"""Signals that follow the first one so soon are the same one: launchers repeat what a terminal or Slurm has sent."""

_END = b"\0"
"""No signal has this number."""


class StopRequested(BaseException):
    """A signal asks the run to end, and the work under way may be abandoned."""


class Stopped(BaseException):
    """A run has ended as a signal asked it to, with everything saved and closed.

    Args:
        number: of the signal.
        text: last line of the output; empty where another rank prints it.
    """

    def __init__(self, number: int, text: str = "") -> None:
        super().__init__(text)
        self.number = number


@dataclass
class _State:
    """Of the signals that this process catches.

    Attributes:
        pid: of the process that catches them: forked workers inherit the handlers.
        number: of the first signal.
        is_agreed: whether all ranks know that the run ends.
        abandonable: blocks of this kind that the main thread is in.
        shields: as ``abandonable``.
    """

    pid: int
    number: int | None = None
    is_agreed: bool = False
    abandonable: int = 0
    shields: int = 0


_state: _State | None = None


@contextmanager
def catching(name: str, *, speaks: bool = True) -> Iterator[None]:
    """Inside, ``SIGNALS`` ask the run to end; a second signal ends the process at once.

    Until ``begin_deferring`` there is nothing to save, and all work is ``abandonable``. Outside the main thread, which
    alone may set handlers, nothing changes.

    Args:
        name: of the command, for messages.
        speaks: whether to print what a signal leads to; one rank does.
    """
    global _state
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _state = _State(os.getpid(), abandonable=1)
    before = {number: signal.signal(number, _handle) for number in SIGNALS}
    try:
        with _second_signal_ends(name, speaks):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        _state = None


def begin_deferring() -> None:
    """Let signals wait from here on for the end of a step, except where work is ``abandonable``."""
    if _is_caught_here():
        assert _state is not None
        _state.abandonable = 0


def requested() -> int | None:
    """Number of the signal that asks this process to end its run; None if there was none."""
    return None if _state is None else _state.number


def agree(number: int | None = None) -> None:
    """Note that every rank knows that the run ends.

    Args:
        number: of the signal, where another rank got it.
    """
    if _state is not None:
        _state.is_agreed = True
        _state.number = _state.number or number


def is_agreed() -> bool:
    """Whether every rank knows that the run ends: the last finished step is to be saved, and no work to be begun."""
    return _state is not None and _state.is_agreed


@contextmanager
def abandonable(allowed: bool = True) -> Iterator[None]:
    """Inside, a signal raises ``StopRequested``, also one that arrived before.

    Args:
        allowed: False changes nothing: the work must be finished, as where the ranks gather weights from each other.
    """
    if not allowed or not _is_caught_here():
        yield
        return
    assert _state is not None
    _state.abandonable += 1
    try:
        _raise_if_requested()
        yield
    finally:
        _state.abandonable -= 1


@contextmanager
def shielded() -> Iterator[None]:
    """Inside, a signal only sets the flag; ``StopRequested`` is raised at the end if the block is ``abandonable``."""
    if not _is_caught_here():
        yield
        return
    assert _state is not None
    _state.shields += 1
    try:
        yield
    finally:
        _state.shields -= 1
    _raise_if_requested()


def _is_caught_here() -> bool:
    return _state is not None and threading.current_thread() is threading.main_thread()


def _raise_if_requested() -> None:
    if _state is not None and _state.number is not None and _state.abandonable and not _state.shields:
        raise StopRequested


def _handle(number: int, frame: Any) -> None:  # noqa: ARG001 - the signature of a handler
    if _state is None or _state.pid != os.getpid():  # a forked worker: it ends with its parent, or when told to
        if number == signal.SIGTERM:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        return
    if _state.number is None:
        _state.number = number
    _raise_if_requested()


@contextmanager
def _second_signal_ends(name: str, speaks: bool) -> Iterator[None]:
    """A thread that ends the process with the second signal.

    Not a handler: those wait until the main thread is back from C, and in a collective whose other ranks have ended it
    may never be. Python's own handler in C writes the number of each signal to a pipe at once.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    _leave_alone_in_forks()

    def watch() -> None:
        first: float | None = None
        is_announced = False
        while _END not in (written := os.read(reader, 64)):
            numbers = [number for number in written if number in SIGNALS]  # others have handlers as well
            now = time.monotonic()
            if not numbers:
                continue
            if first is None and not is_announced:
                _say(f"{name}: {_named(numbers[0])}: the run stops; a second signal ends it at once", speaks)
            if set(numbers) == {signal.SIGUSR1}:  # Slurm's notice; its SIGTERM follows and is no second wish
                is_announced = True
            elif first is None:
                first = now
            elif now - first > SAME_SIGNAL_SECONDS:
                _say(f"{name}: ended at once by a second signal, {_named(numbers[-1])}", speaks)
                os._exit(128 + numbers[-1])

    thread = threading.Thread(target=watch, name="medix-second-signal", daemon=True)
    thread.start()
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.write(writer, _END)  # closing it would not end the thread: forked workers have it as well
        thread.join()
        os.close(writer)
        os.close(reader)


@cache
def _leave_alone_in_forks() -> None:
    """Have forked children, such as data workers, write the signals that they get to no pipe of their parent's."""

    def forget() -> None:
        if _state is not None:
            signal.set_wakeup_fd(-1)

    os.register_at_fork(after_in_child=forget)


def _say(text: str, speaks: bool) -> None:
    if speaks:
        shown = "\x1b[?25h" if sys.stderr.isatty() else ""  # a progress display hides the cursor
        with suppress(OSError):
            os.write(2, f"{shown}{text}\n".encode())


def _named(number: int) -> str:
    return "Ctrl-C (SIGINT)" if number == signal.SIGINT else signal.Signals(number).name


def stopped_by(number: int) -> str:
    """``stopped by SIGTERM``, the beginning of a command's last line."""
    return f"stopped by {_named(number)}"
