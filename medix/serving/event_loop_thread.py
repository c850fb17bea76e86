"""A background thread that runs an event loop."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

R = TypeVar("R")
T = TypeVar("T")


class EventLoopThread(Generic[R]):
    """Runs coroutines on an event loop in a daemon thread, with a resource that is open as long as the loop runs.

    Args:
        name: of the thread.
        resource: entered on the loop at the start and left at the end.

    Attributes:
        resource: what entering it gave.
    """

    resource: R

    def __init__(self, name: str, resource: AbstractAsyncContextManager[R]) -> None:
        self._pid = os.getpid()
        self._tasks: dict[asyncio.Task[Any], int] = {}  # and their owners
        # what is put on a loop that was stopped never runs: nobody may wait for it
        self._stopping = threading.Lock()
        self._is_stopped = False
        self._context = resource
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        self.resource = asyncio.run_coroutine_threadsafe(resource.__aenter__(), self._loop).result()

    def submit(
        self,
        owner: int,
        work: Callable[[R], Coroutine[Any, Any, T]],
        future: "Future[T]",
        cancelled: Callable[[], T] | None = None,
    ) -> None:
        """Begin a coroutine, from any thread; the future always ends.

        Args:
            owner: whose it is, for ``cancel``.
            work: gives the coroutine.
            future: gets its result.
            cancelled: gives the result of a coroutine that was cancelled; without it the future is cancelled as well.
        """

        def begin() -> None:
            if future.set_running_or_notify_cancel():
                task = self._loop.create_task(work(self.resource))
                self._tasks[task] = owner
                task.add_done_callback(finish)

        def finish(task: "asyncio.Task[T]") -> None:
            del self._tasks[task]
            if task.cancelled():
                if cancelled is None:
                    future.set_exception(CancelledError())
                else:
                    future.set_result(cancelled())
            elif (error := task.exception()) is not None:
                future.set_exception(error)
            else:
                future.set_result(task.result())

        self._loop.call_soon_threadsafe(begin)

    def cancel(self, owner: int | None = None) -> None:
        """Cancel one owner's coroutines, or all; returns when they have ended. Stopped already: nothing."""
        with self._stopping:
            if not self._is_stopped:
                asyncio.run_coroutine_threadsafe(self._cancel(owner), self._loop).result()

    async def _cancel(self, owner: int | None) -> None:
        tasks = [task for task, number in self._tasks.items() if owner in {None, number}]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the futures are set by callbacks of the tasks

    def stop(self) -> None:
        """Cancel all coroutines, close the resource, end the thread. Not of this process, or stopped: nothing."""
        if self._pid != os.getpid() or self._loop.is_closed():
            return
        if threading.current_thread() is self._thread:  # collected on its own thread, where nobody can wait for it
            self._loop.create_task(self._stop())
            return
        with self._stopping:
            if self._is_stopped:
                return
            self._is_stopped = True
            asyncio.run_coroutine_threadsafe(self._stop(), self._loop)
            self._thread.join()
            self._loop.close()

    async def _stop(self) -> None:
        await self._cancel(None)
        await self._context.__aexit__(None, None, None)
        self._loop.stop()
