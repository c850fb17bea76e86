"""The error that ended a run on several ranks, as the last word of every rank.

A rank that ends with an error breaks the connections of the others, in whatever collective operation they are, and
their errors say nothing of the cause. It is left in the store through which the ranks have met, and the rank stays
until a thread of every other has read it there: the store may end with the rank.
"""

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

from torch import distributed

from medix import stop_signal
from medix.distributed import OtherRankError, described, is_told, rank, world_size
from medix.stop_signal import Stopped, StopRequested

_KEY = "medix/first failure"
_HEARD = "medix/failure heard"
_BROKE = "medix/connection broke"
_STOPPED = "stopped"
_PATIENCE = timedelta(seconds=10)
_PAUSE = 0.25
"""Seconds between two looks into the store; to wait in it for longer would be told on the terminal by torch."""
_PLACE = re.compile(
    r"(?:Gloo connectFullMesh failed with )?\[(?:enforce fail at )?[^\]\n]*(?:gloo|c10d|nccl)[^\]\n]*:\d+\]\s*"
    r"|(?=Application timeout caused pair closure$)",
    re.IGNORECASE,
)
"""Where in their sources gloo and NCCL found a connection broken: their errors begin with it, and have no class. So do
errors of memory, with another place.

The last is what gloo says, without a place, of each operation behind one that took too long.
"""
_ADVICE = re.compile(r"\. This is typically caused by .*|\s*Exception raised from .*", re.DOTALL)
"""What torch guesses and advises behind an error, and its own traceback."""


class _Watch(threading.Thread):
    """Reads the cause as soon as another rank leaves it, whatever this rank computes or waits for.

    Attributes:
        cause: empty as long as there is none.
    """

    def __init__(self) -> None:
        super().__init__(name="medix-first-failure", daemon=True)
        self.cause = ""
        self._over = threading.Event()

    @property
    def is_error(self) -> bool:
        """Whether there is a cause, and it is no signal."""
        return bool(self.cause) and not self.cause.startswith(_STOPPED)

    def run(self) -> None:
        """Look from when the ranks have met until there is a cause, or no store."""
        store = None
        with suppress(RuntimeError, ValueError):  # the store, or the process group, has gone
            while not self._over.wait(_PAUSE):
                if store is None and world_size() > 1:
                    store = _store().clone()  # a connection of its own: another may be waiting
                if store is not None and store.check([_KEY]):
                    self.cause = store.get(_KEY).decode()
                    _hear(store)
                    return

    def stop(self) -> None:
        """Look no longer."""
        self._over.set()
        self.join(_PATIENCE.total_seconds())


@contextmanager
def told_by_all(ranks: int) -> Iterator[None]:
    """Replace the error of a broken connection by that of the rank that broke it, and leave this rank's to the others.

    The same for a signal that ends one rank where the ranks do not decide together, as while weights are loaded. A
    signal that a launcher sends to the others, since one rank has ended with an error, gives way to that error.

    Args:
        ranks: of the run; they may meet inside.

    Raises:
        OtherRankError: another rank ended; with its error, if it could leave it.
        Stopped: a signal has ended another rank.
    """
    if ranks == 1:
        yield
        return
    watch = _Watch()
    watch.start()
    try:
        yield
    except StopRequested as stop:
        if world_size() > 1 and not stop_signal.is_agreed():
            _leave(_stop_of(stop_signal.requested() or signal.SIGTERM), watch)
        if watch.is_error:  # a launcher such as torchrun sends the signal where a rank has ended with an error
            raise OtherRankError(watch.cause) from stop
        raise
    except BaseException as error:
        if world_size() == 1 or is_told(error):
            raise
        if not _is_broken_connection(error):
            _leave(_cause_of(error), watch)
            if watch.is_error:
                error.add_note(watch.cause)
            raise
        with suppress(RuntimeError):
            _store().set(f"{_BROKE} {rank()}", "")
        watch.join(_PATIENCE.total_seconds())
        if watch.cause.startswith(_STOPPED):
            number, other = map(int, watch.cause.split()[1:])
            text = f"{stop_signal.stopped_by(number)}, which rank {other} received"
            raise Stopped(number, text if rank() == 0 else "") from error
        raise OtherRankError(watch.cause or _silence(str(error))) from error
    finally:
        watch.stop()


def _silence(text: str) -> str:
    """What is known where no rank left an error: which of them did not even find its connection broken.

    Args:
        text: of the broken connection.
    """
    store, silent = _store(), ["the rank that holds the store of the ranks, usually 0,"]
    with suppress(RuntimeError):
        numbers = [number for number in range(world_size()) if not store.check([f"{_BROKE} {number}"])]
        silent = [f"rank {', '.join(map(str, numbers))}" if numbers else "another rank"]
    is_late = any(word in text.lower() for word in ("timed out", "timeout"))
    how = "took longer than the time limit of the ranks" if is_late else "broke its connection"
    said = _ADVICE.sub("", _PLACE.sub("", text))
    return (
        f"{silent[0]} {how} and left no error ({said}): look at its output; it hangs, or the "
        "system killed it, for memory or otherwise"
    )


def _cause_of(error: BaseException) -> str:
    if isinstance(error.__context__ if isinstance(error, SystemExit) else error, KeyboardInterrupt):
        return _stop_of(signal.SIGINT)  # Lightning makes SystemExit of it
    return f"rank {rank()} stopped, and all others with it: {described(error)}"


def _stop_of(number: int) -> str:
    return f"{_STOPPED} {number:d} {rank()}"


def _is_broken_connection(error: BaseException) -> bool:
    if isinstance(error, distributed.DistError):
        return True
    return isinstance(error, RuntimeError) and bool(_PLACE.match(described(error).partition(": ")[2]))


def _leave(text: str, watch: _Watch) -> None:
    """Leave the cause, and stay until the others have it: the store may live in this process."""
    watch.stop()
    store = _store()
    with suppress(RuntimeError):  # the store lived in a rank that has gone
        first = store.compare_set(_KEY, "", text).decode()
        if first == text:
            store.wait([f"{_HEARD} {number}" for number in range(1, world_size())], _PATIENCE)
        elif not watch.cause:
            watch.cause = first
            _hear(store)


def _hear(store: Any) -> None:
    store.set(f"{_HEARD} {store.add(_HEARD, 1)}", "")


def _store() -> Any:
    return distributed.distributed_c10d._get_default_store()
