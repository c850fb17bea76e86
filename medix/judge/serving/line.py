"""The background thread of served judges: an event loop, connections, and who may send to which server."""

import asyncio
import os
import re
import threading
import weakref
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from medix.judge.serving.address import Address
from medix.judge.serving.endpoint import Endpoint
from medix.judge.serving.places import Places
from medix.types import Verdict

if TYPE_CHECKING:
    import aiohttp

_NO_KEY = "none"  # servers of one's own need no key
_KEY_LIKE = re.compile(r"\bsk-[\w*-]{4,}|(?<=Bearer )\S+")
_CONNECT = 10.0  # seconds; a server that takes longer to open a connection is away
_KEEP = 4.0  # seconds; uvicorn, and so vLLM, hangs up after 5: leave first, or a request meets the hanging up

Work = Callable[["Workroom"], "Coroutine[Any, Any, Verdict]"]


class Line:
    """Runs the questions of one or several judges on one thread, begun with the first question.

    A copy, a pickle and a forked process begin threads of their own. Holds no key.

    Args:
        addresses: the servers.
        api_key_env: environment variable that holds the key.
        max_concurrency: most questions at the same time, for each server.
        pause: seconds until a server that was set aside is tried again.
        patience: seconds without a verdict after which questions no longer wait for a server.
    """

    def __init__(
        self, addresses: Sequence[Address], api_key_env: str, max_concurrency: int, pause: float, patience: float
    ) -> None:
        self.addresses = tuple(addresses)
        self.api_key_env = api_key_env
        self.max_concurrency = max_concurrency
        self.pause = pause
        self.patience = patience
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._room: Workroom | None = None
        self._under_way: dict[int, int] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The servers as they stand; none before the first question and after closing. For looking only."""
        room = self._room
        return () if room is None or self._pid != os.getpid() else room.places.endpoints

    def submit(self, owner: object, work: Work, closed: Callable[[], Verdict]) -> "Future[Verdict]":
        """Begin a question.

        Args:
            owner: the judge that asks.
            work: gives its verdict.
            closed: gives the verdict of a question that was called off before it began.
        """
        if self._pid != os.getpid():  # threads do not survive a fork, and a lock may be held in it for ever
            self._reset()
        future: Future[Verdict] = Future()
        number = id(owner)
        with self._lock:
            if self._room is None:
                self._room = self._opened()
            self._under_way[number] = self._under_way.get(number, 0) + 1
            future.add_done_callback(lambda _: self._done(number))
            self._room.begin(number, work, closed, future)
        return future

    def _done(self, number: int) -> None:
        with self._lock:
            self._under_way[number] -= 1
            if not self._under_way[number]:
                del self._under_way[number]

    def _opened(self) -> "Workroom":
        room = Workroom(self)
        # a judge that nobody closed: the thread ends with the last judge that uses it, or before the interpreter does
        room.finalizer = weakref.finalize(self, room.stop)
        return room

    def close(self, owner: object) -> None:
        """Call off the owner's questions; end the thread unless another judge's questions are under way."""
        if self._pid != os.getpid():
            return
        with self._lock:
            room = self._room
            is_alone = not self._under_way.keys() - {id(owner)}
            if is_alone:
                self._room = None
        if room is None:
            return
        if is_alone:
            room.finalizer()
        else:
            room.call_off(id(owner))


class Workroom:
    """A running thread with what lives on its event loop.

    Attributes:
        key: what is sent as the key.
        session: the connections.
        places: who may send to which server.
        finalizer: stops it, once.
    """

    finalizer: "weakref.finalize[[], Line]"
    session: "aiohttp.ClientSession"
    places: Places

    def __init__(self, line: Line) -> None:
        import aiohttp  # noqa: F401 - takes half a second, which the loop should not wait for

        self.key = os.environ.get(line.api_key_env, "").strip() or _NO_KEY
        self._secrets = [secret for address in line.addresses for secret in address.secrets]
        self._pid = os.getpid()
        self._tasks: dict[int, set[asyncio.Task[Verdict]]] = {}
        # what is put on a loop that was stopped never runs: nobody may wait for it
        self._ending = threading.Lock()
        self._is_ended = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="medix-judge", daemon=True)
        self._thread.start()
        endpoints = [
            Endpoint(address, line.max_concurrency, pause=line.pause, longest_pause=min(15.0, line.patience / 4))
            for address in line.addresses
        ]
        asyncio.run_coroutine_threadsafe(self._open(endpoints, line.patience), self._loop).result()

    async def _open(self, endpoints: list[Endpoint], patience: float) -> None:
        import aiohttp

        self.places = Places(endpoints, patience)
        # places bound the number of connections; deadlines are the questions' own
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def begin(self, number: int, work: Work, closed: Callable[[], Verdict], future: "Future[Verdict]") -> None:
        """Begin a question from any thread; the future always gets a verdict."""
        self._loop.call_soon_threadsafe(self._begin, number, work, closed, future)

    def _begin(self, number: int, work: Work, closed: Callable[[], Verdict], future: "Future[Verdict]") -> None:
        if not future.set_running_or_notify_cancel():
            return
        task = self._loop.create_task(work(self))
        tasks = self._tasks.setdefault(number, set())
        tasks.add(task)

        def finish(task: "asyncio.Task[Verdict]") -> None:
            tasks.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                future.set_exception(error)
            else:
                future.set_result(closed() if task.cancelled() else task.result())

        task.add_done_callback(finish)

    def without_secrets(self, text: str) -> str:
        """Servers repeat keys, whole or in part, in their messages."""
        for secret in [*self._secrets, *([] if self.key == _NO_KEY else [self.key])]:
            text = text.replace(secret, "[key]")
        return _KEY_LIKE.sub("[key]", text)

    def call_off(self, number: int | None = None) -> None:
        """End one owner's questions, or all; returns when they have their verdicts. Ended already: nothing."""
        with self._ending:
            if not self._is_ended:
                asyncio.run_coroutine_threadsafe(self._call_off(number), self._loop).result()

    async def _call_off(self, number: int | None) -> None:
        tasks = [task for owner, tasks in self._tasks.items() if number in {None, owner} for task in tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the futures are set by callbacks of the tasks

    def stop(self) -> None:
        """Call off all questions, close the connections, end the thread. Not of this process, or ended: nothing."""
        if self._pid != os.getpid() or self._loop.is_closed():
            return
        if threading.current_thread() is self._thread:  # collected on its own thread, where nobody can wait for it
            self._loop.create_task(self._end())
            return
        with self._ending:
            if self._is_ended:
                return
            self._is_ended = True
            asyncio.run_coroutine_threadsafe(self._end(), self._loop)
            self._thread.join()
            self._loop.close()

    async def _end(self) -> None:
        await self._call_off(None)
        await self.session.close()
        await asyncio.sleep(0)  # transports close in the next round of the loop
        self._loop.stop()
