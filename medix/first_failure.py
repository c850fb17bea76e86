"""The error that ended a run on several ranks, as the last word of every rank.

A rank that ends with an error breaks the connections of the others, in whatever collective operation they are, and
their errors say nothing of the cause. It is left in the store through which the ranks have met.
"""

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import psutil
from torch import distributed

from medix import stop_signal
from medix.distributed import OtherRankError, is_told, rank, world_size
from medix.stop_signal import Stopped, StopRequested

_KEY = "medix/first failure"
_HEARD = "medix/failure heard"
_BROKE = "medix/connection broke"
_STOPPED = "stopped"
_PATIENCE = timedelta(seconds=10)
_BROKEN = ("connection closed", "connection reset", "connection refused", "broken pipe", "timed out", "nccl", "gloo",
           "socket", "peer")  # fmt: skip
"""What errors of torch's collective operations say, in lower case, where another rank has gone."""
_PLACE = re.compile(r"^(\[.*?\]\s*)+")
"""The place in torch's sources before what they say; behind its first sentence they guess and advise."""


@contextmanager
def told_by_all() -> Iterator[None]:
    """Replace the error of a broken connection by that of the rank that broke it, and leave this rank's to the others.

    The same for a signal that ends one rank where the ranks do not decide together, as while weights are loaded.

    Raises:
        OtherRankError: another rank ended; with its error, if it could leave it.
        Stopped: a signal has ended another rank.
    """
    try:
        yield
    except StopRequested:
        if world_size() > 1 and not stop_signal.is_agreed():
            _leave(f"{_STOPPED} {stop_signal.requested() or signal.SIGTERM:d} {rank()}")
        raise
    except Exception as error:
        if world_size() == 1 or is_told(error):
            raise
        if not _is_broken_connection(error):
            _leave(f"rank {rank()} stopped, and all others with it: {type(error).__name__}: {_text_of(error)}")
            raise
        cause = _cause()
        if cause.startswith(_STOPPED):
            number, other = map(int, cause.split()[1:])
            text = f"{stop_signal.stopped_by(number)}, which rank {other} received"
            raise Stopped(number, text if rank() == 0 else "") from error
        raise OtherRankError(cause or _silence(error)) from error


def _text_of(error: Exception) -> str:
    """What an error says, as text that the store can hold: names of files may have surrogates."""
    try:
        text = str(error)
    except Exception as other:  # noqa: BLE001  # of its own class, whatever it does
        text = f"(its text cannot be read: {type(other).__name__})"
    return text.encode(errors="backslashreplace").decode()


def _silence(error: Exception) -> str:
    """What is known where no rank left an error: which of them did not even find its connection broken."""
    store, silent = _store(), ["the rank that holds the store of the ranks, usually 0,"]
    with suppress(RuntimeError):
        numbers = [number for number in range(world_size()) if not store.check([f"{_BROKE} {number}"])]
        silent = [f"rank {', '.join(map(str, numbers))}" if numbers else "another rank"]
    how = "took longer than the time limit of the ranks" if _is_late(error) else "broke its connection"
    said = _PLACE.sub("", str(error).splitlines()[0]).partition(". ")[0]
    return (
        f"{silent[0]} {how} and left no error ({said}): look at its output; it hangs, or the "
        "system killed it, for memory or otherwise"
    )


def _is_late(error: Exception) -> bool:
    return "timed out" in str(error).lower()


def _is_broken_connection(error: Exception) -> bool:
    return isinstance(error, RuntimeError) and any(sign in _text_of(error).lower() for sign in _BROKEN)


def _leave(text: str) -> None:
    """Leave the cause, end the connections, and stay until the others have it: the store may live in this process."""
    store, others = _store(), world_size() - 1
    with suppress(RuntimeError):  # the store lived in a rank that has gone
        if store.compare_set(_KEY, "", text).decode() != text:
            _hear(store)  # another was first
            return
        distributed.destroy_process_group()
        _end_connections(store)
        store.wait([f"{_HEARD} {number}" for number in range(1, others + 1)], _PATIENCE)


def _end_connections(store: Any) -> None:
    """Shut down the TCP connections of this process but those to the store, which is about to end.

    A process group does not close its own while something still holds it, as a wrapped module or a traceback does.
    """
    while hasattr(store, "underlying_store"):
        store = store.underlying_store
    port = getattr(store, "port", None)
    if port is None:
        return  # no store that processes meet in
    for one in psutil.Process().net_connections("tcp"):
        is_open = one.status == psutil.CONN_ESTABLISHED and one.fd >= 0
        if is_open and port not in (one.laddr.port, one.raddr.port):
            with suppress(OSError), socket.socket(fileno=os.dup(one.fd)) as connection:
                connection.shutdown(socket.SHUT_RDWR)


def _cause() -> str:
    store, text = _store(), ""
    with suppress(RuntimeError):
        store.set(f"{_BROKE} {rank()}", "")
        store.wait([_KEY], _PATIENCE)
        text = store.get(_KEY).decode()
        _hear(store)
    return text


def _hear(store: Any) -> None:
    store.set(f"{_HEARD} {store.add(_HEARD, 1)}", "")


def _store() -> Any:
    return distributed.distributed_c10d._get_default_store()
