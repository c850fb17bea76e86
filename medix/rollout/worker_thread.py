"""A thread in which an engine does all its work."""

import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

T = TypeVar("T")

_POLL = 0.5
"""Seconds between checks for progress; an interrupt of the waiting thread is answered as often."""


class StalledError(TimeoutError):
    """The work gave no heartbeat for too long."""


class AbandonedError(RuntimeError):
    """Whoever waited for the work has gone: a signal or Ctrl-C ended the waiting."""


class WorkerThread:
    """Runs functions one after the other, always in the same thread, and stops waiting for one that hangs.

    Where the waiting thread is interrupted, the work ends with its next heartbeat.

    vLLM sets the device, the current stream and the gradient mode of the thread it runs in; training runs in another
    thread, which keeps its own. A thread that hangs cannot be ended: it is abandoned, and does not keep the process
    alive.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._work: "_Work" = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._alive = 0.0
        self._under_way: Future[Any] | None = None
        self._abandoned: Future[Any] | None = None

    def heartbeat(self) -> None:
        """Called by the work to report progress.

        Raises:
            AbandonedError: nobody waits for the work any more.
        """
        self._alive = time.monotonic()
        if self._under_way is not None and self._under_way is self._abandoned:
            raise AbandonedError("the work was abandoned")

    def run(self, function: Callable[[], T], limit: float) -> T:
        """What the function returns or raises.

        Args:
            function: called in the thread.
            limit: seconds without a ``heartbeat``.

        Raises:
            StalledError: there was none for so long; the function may still run.
        """
        if self._thread is None:
            self._work = queue.SimpleQueue()  # not the one that a former thread may still read
            self._thread = threading.Thread(target=self._loop, args=(self._work,), name=self.name, daemon=True)
            self._thread.start()
        self._alive = time.monotonic()
        future: Future[T] = Future()
        self._work.put((function, future))
        try:
            return self._result(future, limit)
        except BaseException:
            self._abandoned = future
            raise

    def _result(self, future: "Future[T]", limit: float) -> T:
        while True:
            try:
                return future.result(timeout=_POLL)
            except FutureTimeoutError:
                if future.done():  # the function's own
                    raise
                if time.monotonic() - self._alive > limit:
                    raise StalledError(f"nothing happened for {limit:g} seconds") from None

    def stop(self) -> None:
        """Let the thread end once it is done with what it has."""
        self._work.put(None)
        self._thread = None

    def _loop(self, work: "_Work") -> None:
        while (entry := work.get()) is not None:
            function, future = entry
            self._under_way = future
            try:
                future.set_result(function())
            except BaseException as error:  # noqa: BLE001  # whoever waits gets it
                future.set_exception(error)
            self._under_way = None
            del function, future, entry  # what they hold must not wait for the next work


_Work = queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]] | None]
