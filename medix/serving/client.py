"""An asynchronous client of several servers, on a background thread."""

import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

from medix.serving.address import Address
from medix.serving.endpoint import Endpoint, EndpointSettings
from medix.serving.event_loop_thread import EventLoopThread
from medix.serving.pool import ServerPool
from medix.serving.session import Session

T = TypeVar("T")

Work = Callable[[Session], Coroutine[Any, Any, T]]
Check = Callable[[Session, Endpoint], Coroutine[Any, Any, None]]
"""Asks a server a harmless question, and raises ``RequestError`` where there is no answer."""


class AsyncClient:
    """Runs requests on an event loop of its own, whose thread starts with the first of them.

    Notebooks have a running loop on the thread that asks, so requests never run there. A copy, a pickle and a forked
    process start threads of their own. Holds no key.

    Args:
        addresses: the servers.
        api_key_env: environment variable that holds the key; not set where servers want none.
        settings: how each server is used.
        patience: seconds without a sign of life after which requests no longer wait for a server.
        name: of the thread.
        keep_alive: whether a connection serves several requests. vLLM closes a connection after an internal error, and
            the next request on it would fail: few and long requests should have a connection each.
        check: tells whether a server that failed often is up (``ServerPool``); None leaves that to requests.
    """

    def __init__(
        self,
        addresses: Sequence[Address],
        api_key_env: str,
        settings: EndpointSettings,
        patience: float,
        name: str,
        keep_alive: bool = True,
        check: Check | None = None,
    ) -> None:
        self.addresses = tuple(addresses)
        self.api_key_env = api_key_env
        self.settings = settings
        self.patience = patience
        self.name = name
        self.keep_alive = keep_alive
        self.check = check
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._thread: EventLoopThread[Session] | None = None
        self._stop: Callable[[], object] | None = None
        self._under_way: dict[int, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The servers in their present state; none before the first request and after closing. Read only."""
        thread = self._thread
        return () if thread is None or self._pid != os.getpid() else thread.resource.pool.endpoints

    def submit(self, work: "Work[T]", owner: object = None, cancelled: Callable[[], T] | None = None) -> "Future[T]":
        """Begin a coroutine in the background.

        Args:
            work: gives the coroutine.
            owner: who may close it.
            cancelled: gives the result of a coroutine that was cancelled; without it the future raises
                ``CancelledError``.
        """
        if self._pid != os.getpid():  # threads do not survive a fork, and a lock may be held in it for ever
            self._reset()
        future: Future[T] = Future()
        number = id(owner)
        with self._lock:
            thread = self._thread or self._start()
            self._under_way[number] = self._under_way.get(number, 0) + 1
            future.add_done_callback(lambda _: self._done(number))
            thread.submit(number, work, future, cancelled)
        return future

    def run(self, work: "Work[T]") -> T:
        """Run a coroutine and wait for it.

        If it fails, or the thread that waits is interrupted, what it started is cancelled.
        """
        owner = object()
        future = self.submit(work, owner)
        try:
            return future.result()
        except BaseException:
            thread = self._thread  # another thread may close the client meanwhile
            if thread is not None:
                thread.cancel(id(owner))
            raise

    def close(self, owner: object = None) -> None:
        """Cancel the owner's coroutines, or all; end the thread unless those of others are under way."""
        if self._pid != os.getpid():
            return
        with self._lock:
            thread, stop = self._thread, self._stop
            is_alone = owner is None or not self._under_way.keys() - {id(owner)}
            if is_alone:
                self._thread = None
        if thread is None or stop is None:
            return
        if is_alone:
            stop()
        else:
            thread.cancel(id(owner))

    def _done(self, number: int) -> None:
        with self._lock:
            self._under_way[number] -= 1
            if not self._under_way[number]:
                del self._under_way[number]

    def _start(self) -> EventLoopThread[Session]:
        import aiohttp  # noqa: F401 - takes half a second, which the loop should not wait for

        pool = ServerPool([Endpoint(address, self.settings) for address in self.addresses], self.patience)
        key = os.environ.get(self.api_key_env, "").strip()
        session = Session(key, self.addresses, pool, self.keep_alive)
        if self.check is not None:
            pool.check = partial(self.check, session)
        self._thread = thread = EventLoopThread(self.name, session)
        # a client that nobody closed: the thread ends with the last user of it, or before the interpreter does
        self._stop = weakref.finalize(self, thread.stop)
        return thread
