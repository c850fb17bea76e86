"""An event loop in a thread, with a resource that is open as long as it runs."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import asynccontextmanager
from typing import Any

import pytest

from medix.serving.event_loop_thread import EventLoopThread

LIMIT = 120
"""Seconds that only a hang reaches."""


class Resource:
    """Notes on which threads it was opened and closed."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[list[str]]:
        self.threads.append(threading.current_thread().name)
        yield self.threads
        self.threads.append(threading.current_thread().name)


async def name_of_thread(threads: list[str]) -> str:
    assert threads == ["medix-test"]
    return threading.current_thread().name


async def waits(threads: list[str]) -> str:
    await asyncio.sleep(10_000)
    return "late"


def submitted(thread: EventLoopThread[list[str]], owner: int) -> "Future[str]":
    future: Future[str] = Future()
    thread.submit(owner, waits, future)
    return future


def test_the_resource_is_opened_and_closed_on_the_thread_and_given_to_the_work() -> None:
    resource = Resource()
    thread = EventLoopThread("medix-test", resource.opened())
    future: Future[str] = Future()
    thread.submit(1, name_of_thread, future)
    assert future.result(LIMIT) == "medix-test"
    thread.stop()
    assert resource.threads == ["medix-test"] * 2
    assert not any(one.name == "medix-test" for one in threading.enumerate())


def test_one_owners_work_is_cancelled_or_all_and_a_cancelled_future_says_so() -> None:
    thread = EventLoopThread("medix-test", Resource().opened())
    mine, other = submitted(thread, 1), submitted(thread, 2)
    thread.cancel(1)
    assert not other.done()
    with pytest.raises(CancelledError, match="its client was closed"):
        mine.result(LIMIT)
    thread.stop()
    with pytest.raises(CancelledError):
        other.result(LIMIT)


@pytest.mark.parametrize("owner", [1, None])
def test_what_the_work_started_is_cancelled_with_its_owner(owner: int | None) -> None:
    """Also if the work itself has ended; what others started goes on."""
    thread, ended = EventLoopThread("medix-test", Resource().opened()), []
    kept: list[asyncio.Task[str]] = []

    async def orphan(name: str) -> str:
        try:
            return await waits([])
        finally:
            ended.append(name)

    def starting(name: str) -> Callable[[list[str]], Coroutine[Any, Any, str]]:
        async def starts(threads: list[str]) -> str:
            kept.append(asyncio.create_task(orphan(name)))
            await asyncio.sleep(0)
            return name

        return starts

    for number, name in ((1, "mine"), (2, "other")):
        future: Future[str] = Future()
        thread.submit(number, starting(name), future)
        assert future.result(LIMIT) == name
    thread.cancel(owner)
    assert sorted(ended) == (["mine"] if owner else ["mine", "other"])
    thread.stop()
    assert sorted(ended) == ["mine", "other"]


def test_a_stopped_thread_has_nothing_to_cancel_and_stops_once() -> None:
    resource = Resource()
    thread = EventLoopThread("medix-test", resource.opened())
    for _ in range(2):
        thread.stop()
        thread.cancel()
    assert len(resource.threads) == 2


def test_it_may_be_stopped_from_its_own_thread() -> None:
    """As when the last reference goes in a callback: nobody can wait for the end there."""
    thread = EventLoopThread("medix-test", Resource().opened())

    async def stop(threads: list[str]) -> None:
        thread.stop()

    thread.submit(1, stop, Future())
    for one in threading.enumerate():
        if one.name == "medix-test":
            one.join(LIMIT)
            assert not one.is_alive()
