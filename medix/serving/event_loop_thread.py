"""A background thread that runs an event loop."""

import asyncio
import contextvars
import os
import threading
import weakref
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, TypeVar

R = TypeVar("R")
T = TypeVar("T")

_OWNER: contextvars.ContextVar[int | None] = contextvars.ContextVar("owner", default=None)
"""Whose work is running; tasks that it starts have the same owner."""

_CANCELLED = "the work was cancelled: its client was closed, or the thread that waited for it was interrupted"


class EventLoopThread(Generic[R]):
    """Runs coroutines on an event loop in a daemon thread, with a resource that is open as long as the loop runs.

    Tasks that a coroutine starts are its owner's as well; those that outlive it are cancelled with the owner's others.

    Args:
        name: of the thread.
        resource: entered on the loop at the start and left at the end.

    Attributes:
        resource: what entering it gave.
    """

    resource: R

    def __init__(self, name: str, resource: AbstractAsyncContextManager[R]) -> None:
        self._pid = os.getpid()
        self._owners: weakref.WeakKeyDictionary[asyncio.Task[Any], int] = weakref.WeakKeyDictionary()
        # what is put on a loop that was stopped never runs: nobody may wait for it
        self._stopping = threading.Lock()
        self._is_stopped = False
        self._context = resource
        self._loop = asyncio.new_event_loop()
        self._loop.set_task_factory(self._owned)
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()
        self.resource = asyncio.run_coroutine_threadsafe(resource.__aenter__(), self._loop).result()

    def _owned(
        self, loop: asyncio.AbstractEventLoop, coroutine: Any, context: contextvars.Context | None = None, **others: Any
    ) -> "asyncio.Task[Any]":
        """A task of the owner in whose context it is started."""
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, context=context, **others)
        owner = _OWNER.get() if context is None else context.get(_OWNER)
        if owner is not None:
            self._owners[task] = owner
        return task

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
            cancelled: gives the result of a coroutine that was cancelled; without it the future raises
                ``CancelledError``.
        """

        def begin() -> None:
            if future.set_running_or_notify_cancel():
                context = contextvars.copy_context()
                context.run(_OWNER.set, owner)
                task = self._loop.create_task(work(self.resource), context=context)
                task.add_done_callback(finish)

        def finish(task: "asyncio.Task[T]") -> None:
            if task.cancelled():
                if cancelled is None:
                    future.set_exception(CancelledError(_CANCELLED))
                else:
                    future.set_result(cancelled())
            elif (error := task.exception()) is not None:
                future.set_exception(error)
            else:
                future.set_result(task.result())

        self._loop.call_soon_threadsafe(begin)

    def cancel(self, owner: int | None = None) -> None:
        """Cancel one owner's coroutines and what they started, or all; returns when they have ended.

        Stopped already: nothing.
        """
        with self._stopping:
            if not self._is_stopped:
                asyncio.run_coroutine_threadsafe(self._cancel(owner), self._loop).result()

    async def _cancel(self, owner: int | None) -> None:
        own = asyncio.current_task()
        tasks = [task for task, number in self._owners.items() if task is not own and owner in {None, number}]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the futures are set by callbacks of the tasks

    def stop(self) -> None:
        """Cancel all coroutines, close the resource, end the thread. Not of this process, or stopped: nothing."""
        if self._pid != os.getpid() or self._loop.is_closed():
            return
        if threading.current_thread() is self._thread:  # collected on its own thread, where nobody can wait for it
            self._loop.create_task(self._stop(), context=contextvars.Context())
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
