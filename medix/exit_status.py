"""The exit status of ``python -m medix``: the one place where errors and signals become a number and a line of text.

Commands return ``DONE`` or ``FAILED`` and let their errors out; see ``run`` for what becomes of them.
"""

import json
import os
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from typing import Any

from medix.files.disk_room import NO_ROOM, remedy, room
from medix.stop_signal import Stopped, stopped_by
from medix.visible_text import tell, visible_messages

HELP = """\
exit status
  0    done
  1    a finding (damaged data, a problem of the machine, a judge beyond its
       limits), or a run that failed
  2    cannot be done as asked: usage, configuration, an input that is missing
       or cannot be read, an output that cannot be written
  130  stopped by Ctrl-C (SIGINT)
  138  stopped by SIGUSR1, by which Slurm announces the end of a job
  141  the reader of its output went away (as after | head)
  143  stopped by SIGTERM
With MEDIX_TRACEBACK=1 in the environment an error shows its traceback too.
"""

_PACKAGE = Path(__file__).parent
_OURS = tuple(f"{folder.resolve()}{os.sep}" for folder in (_PACKAGE, _PACKAGE / "callbacks"))


class ExitStatus(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    IMPOSSIBLE = 2
    INTERRUPTED = 128 + signal.SIGINT
    BROKEN_PIPE = 128 + signal.SIGPIPE
    TERMINATED = 128 + signal.SIGTERM


class Terminated(BaseException):
    """SIGTERM arrived. Like ``KeyboardInterrupt``, it passes every ``except Exception``."""


def run(name: str, command: Callable[[], int], *, error_prefix: str = "", is_strict: bool = False) -> int:
    """Run a command and return its exit status.

    An error that explains itself is printed as one line, without a traceback unless the environment variable
    ``MEDIX_TRACEBACK`` is set: ``ValueError``, ``TypeError`` and ``OSError`` give status 2 (a lost connection or a time
    limit, 1), other errors 1. An error that does not explain itself is a fault of the program: it is raised.

    Args:
        name: of the command, at the beginning of messages.
        command: returns a status; may raise ``SystemExit``, as parsers do.
        error_prefix: at the beginning of error messages; ``name`` if empty.
        is_strict: only errors that medix raises, and those about a named file, explain themselves. Otherwise every
            ``OSError`` does, and so do errors of decoding and of parsing JSON: the input cannot be read.
    """
    try:
        status = _status(name, command, error_prefix or name, is_strict)
        sys.stdout.flush()
    except BrokenPipeError:
        if not _discard_closed_outputs():
            raise
        return ExitStatus.BROKEN_PIPE
    except KeyboardInterrupt as stop:  # after the command, while its last lines are written
        return _stopped(name, stop)
    return status


def end_by_interrupt() -> None:
    """Have Ctrl-C end the process with its status alone from here on.

    A command is over, and what is left is Python's own end, such as waiting for worker processes: there, it would show
    a traceback, and ignore the interrupt for the status.
    """
    signal.signal(signal.SIGINT, lambda *_: os._exit(ExitStatus.INTERRUPTED))


def _status(name: str, command: Callable[[], int], error_prefix: str, is_strict: bool) -> int:
    try:
        with _sigterm_raises(), visible_messages():
            return command()
    except (KeyboardInterrupt, Terminated, Stopped) as stop:
        return _stopped(name, stop)
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):  # Lightning ends so
            return _stopped(name, stop.__context__)
        if isinstance(stop.__context__, BrokenPipeError):  # rich ends so
            return ExitStatus.BROKEN_PIPE
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or ExitStatus.DONE
        tell(str(stop.code), sys.stderr)
        return ExitStatus.FAILED
    except BrokenPipeError:
        raise
    except Exception as error:
        if not _explains_itself(error, is_strict):
            raise
        if os.environ.get("MEDIX_TRACEBACK"):
            traceback.print_exc()
        tell(f"{error_prefix}: {_described(error)}", sys.stderr)
        is_impossible = isinstance(error, ValueError | TypeError | OSError) and not isinstance(
            error, ConnectionError | TimeoutError
        )
        return ExitStatus.IMPOSSIBLE if is_impossible else ExitStatus.FAILED


def _stopped(name: str, stop: BaseException) -> int:
    number = signal.SIGINT if isinstance(stop, KeyboardInterrupt) else signal.SIGTERM
    if not isinstance(stop, Stopped):
        stop = Stopped(number, "; ".join([stopped_by(number), *getattr(stop, "__notes__", ())]))
    if str(stop):  # empty on all ranks but one
        tell(f"{name}: {stop}", sys.stderr)
    return 128 + stop.number


def _explains_itself(error: Exception, is_strict: bool) -> bool:
    if isinstance(error, OSError) and (error.filename is not None or error.errno in NO_ROOM):
        return True
    if not is_strict and isinstance(error, OSError | UnicodeError | json.JSONDecodeError):
        return True
    return raised_by_medix(error)


def raised_by_medix(error: BaseException) -> bool:
    """Whether a ``raise`` statement of this package raised it, so that its message names key, value and remedy."""
    frames = traceback.extract_tb(error.__traceback__)
    return (
        bool(frames)
        and str(Path(frames[-1].filename).resolve()).startswith(_OURS)
        and ((frames[-1].line or "").startswith("raise "))
    )


def _described(error: Exception) -> str:
    if not isinstance(error, OSError) or error.filename is None or error.strerror is None:
        return str(error)
    path = os.fsdecode(error.filename)
    if error.errno in NO_ROOM:
        return f"{path}: {error.strerror}, {room(Path(path), error.errno)}; {remedy(error.errno)}"
    return f"{path}: {error.strerror}; check the path and its permissions"


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """Have SIGTERM raise ``Terminated``, so that files and servers are closed on the way out."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return

    def terminate(number: int, frame: Any) -> None:  # noqa: ARG001 - the signature of a handler
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if before is None else before)


def _discard_closed_outputs() -> bool:
    """Redirect standard outputs whose reader has gone to the null device, lest Python complain at exit; False if none.

    A broken pipe to something else, such as a server, is an error of its own.
    """
    found = False
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # a stream without a file descriptor has no reader to lose
            descriptor = stream.fileno()
            poll = select.poll()
            poll.register(descriptor, 0)
            if any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0)):
                null = os.open(os.devnull, os.O_WRONLY)
                os.dup2(null, descriptor)
                os.close(null)
                found = True
    return found
