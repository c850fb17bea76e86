"""A client whose requests run on a background thread, shared by several owners."""

import asyncio
import copy
import gc
import pickle
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import CancelledError, Future
from contextlib import closing
from pathlib import Path

import pytest

from medix.serving.address import Address
from medix.serving.client import AsyncClient, Work
from medix.serving.endpoint import EndpointSettings
from medix.serving.event_loop_thread import EventLoopThread
from medix.serving.session import Session
from tests.support.clients import KEY, client_of

ROOT = Path(__file__).parents[2]
LIMIT = 120
"""Seconds that only a hang reaches."""


def new_client() -> AsyncClient:
    return client_of("http://127.0.0.1:9/v1?hunter2")


def closed() -> str:
    return "closed"


def says(text: str) -> Work[str]:
    async def work(session: Session) -> str:
        return text

    return work


async def waits(session: Session) -> str:
    try:
        await asyncio.sleep(10_000)
    except asyncio.CancelledError:
        return "cancelled"
    return "not cancelled"


def threads() -> int:
    return sum(thread.name == "medix-test" for thread in threading.enumerate())


def test_the_thread_begins_with_the_first_request_and_ends_with_closing() -> None:
    before, client, owner = threads(), new_client(), object()
    assert threads() == before
    assert [client.submit(says(text), owner).result(LIMIT) for text in "ab"] == ["a", "b"]
    assert threads() == before + 1
    assert len(client.endpoints) == 1
    client.close(owner)
    assert (threads(), client.endpoints) == (before, ())
    assert client.submit(says("a"), owner, closed).result(LIMIT) == "a"
    client.close(owner)


def test_closing_cancels_the_owners_requests_and_leaves_those_of_others() -> None:
    client, one, other = new_client(), object(), object()
    mine, theirs = client.submit(waits, one, closed), client.submit(waits, other, closed)
    client.close(one)
    assert mine.result(LIMIT) in {"cancelled", "closed"}
    assert not theirs.done()
    client.close(other)
    assert theirs.result(LIMIT) in {"cancelled", "closed"}


def test_two_that_close_at_once_both_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is about to call off its questions while the other ends the thread that would do so."""
    client, one, other = new_client(), object(), object()
    theirs = client.submit(waits, other, closed)
    called, ended = threading.Event(), threading.Event()
    cancel = EventLoopThread.cancel

    def late(thread: EventLoopThread[Session], number: int | None = None) -> None:
        called.set()
        ended.wait(LIMIT)
        cancel(thread, number)

    monkeypatch.setattr(EventLoopThread, "cancel", late)
    first = threading.Thread(target=client.close, args=(one,), daemon=True)
    first.start()
    assert called.wait(LIMIT)
    client.close(other)
    ended.set()
    first.join(LIMIT)
    assert not first.is_alive()
    assert theirs.result(LIMIT) in {"cancelled", "closed"}


def test_closing_from_many_threads_comes_back() -> None:
    for _ in range(20):
        client, owners = new_client(), [object() for _ in range(4)]
        for owner in owners:
            client.submit(waits, owner, closed)
        closing = [threading.Thread(target=client.close, args=(owner,), daemon=True) for owner in owners]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(LIMIT)
        assert not any(thread.is_alive() for thread in closing)


def test_a_request_that_has_no_result_of_being_cancelled_is_given_one() -> None:
    async def sleeps(session: Session) -> str:
        await asyncio.sleep(10_000)
        return "late"

    client, owner = new_client(), object()
    futures = [client.submit(sleeps, owner, closed) for _ in range(5)]
    client.close(owner)
    assert {future.result(LIMIT) for future in futures} == {"closed"}


def test_a_future_that_its_holder_cancelled_troubles_nobody() -> None:
    client, owner = new_client(), object()
    future: Future[str] = client.submit(waits, owner, closed)
    future.cancel()
    assert client.submit(says("a"), owner, closed).result(LIMIT) == "a"
    client.close(owner)


def test_a_callback_may_ask_again() -> None:
    client, owner = new_client(), object()
    asked: Future[Future[str]] = Future()
    client.submit(says("a"), owner, closed).add_done_callback(
        lambda _: asked.set_result(client.submit(says("b"), owner, closed))
    )
    assert asked.result(LIMIT).result(LIMIT) == "b"
    client.close(owner)


def test_copies_and_pickles_begin_anew_and_hold_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "top-secret-1")
    client, owner = new_client(), object()
    client.submit(says("a"), owner, closed).result(LIMIT)
    for other in (copy.deepcopy(client), pickle.loads(pickle.dumps(client))):  # spawned workers get it pickled
        assert other.endpoints == ()
        assert other.submit(says("b"), owner, closed).result(LIMIT) == "b"
        other.close(owner)
    assert b"top-secret-1" not in pickle.dumps(client)
    client.close(owner)


def test_secrets_of_key_and_address_are_taken_out_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, " top-secret-1\n")
    client, owner = new_client(), object()

    async def work(session: Session) -> str:
        return session.without_secrets("top-secret-1 hunter2 sk-abcdef Bearer xyz plain")

    assert client.submit(work, owner).result(LIMIT) == "[key] [key] [key] Bearer [key] plain"
    client.close(owner)


def test_a_line_that_nobody_closed_ends_with_its_last_user() -> None:
    before, client = threads(), new_client()
    client.submit(says("a"), object(), closed).result(LIMIT)
    kept = weakref.ref(client)
    time.sleep(0.05)  # the loop lets go of the question
    del client
    gc.collect()
    assert kept() is None
    assert threads() == before


def test_a_program_that_closes_nothing_ends_quietly() -> None:
    program = """
from medix.judge import ServedJudge
from medix.types import JudgeQuestion
from tests.support.fault_server import hangs
from tests.support.judges import says, serving
with serving(says("YES"), hangs) as server:
    judge = ServedJudge(server.url, "m")
    assert judge.grade([JudgeQuestion("q", "r", "a")])[0].credit == 1.0
    judge.submit(JudgeQuestion("q", "r", "b"))
"""
    done = subprocess.run([sys.executable, "-W", "always", "-c", program], cwd=ROOT, capture_output=True, timeout=LIMIT)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_work_that_is_run_returns_or_raises() -> None:
    async def bad(session: Session) -> str:
        raise KeyError("no")

    with closing(new_client()) as client:
        assert client.run(says("a")) == "a"
        with pytest.raises(KeyError, match="no"):
            client.run(bad)


def test_it_runs_where_a_loop_is_running_already() -> None:
    """As in a notebook."""

    async def cell() -> str:
        with closing(new_client()) as client:
            return client.run(says("a"))

    assert asyncio.run(cell()) == "a"


def test_closing_cancels_the_work_that_is_run() -> None:
    client, begun = new_client(), threading.Event()

    async def work(session: Session) -> None:
        begun.set()
        await asyncio.sleep(10_000)

    def close() -> None:
        begun.wait(LIMIT)
        client.close()

    closer = threading.Thread(target=close)
    closer.start()
    with pytest.raises(CancelledError):
        client.run(work)
    closer.join(LIMIT)


def test_an_interrupt_cancels_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the thread that waits: the work has ended when the interrupt comes out."""
    ended: list[str] = []
    begun = threading.Event()
    client = new_client()

    async def work(session: Session) -> None:
        begun.set()
        try:
            await asyncio.sleep(10_000)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    result, interrupts = Future.result, [KeyboardInterrupt()]

    def interrupted(self: Future[object], timeout: float | None = None) -> object:
        if interrupts:
            assert begun.wait(LIMIT)
            raise interrupts.pop()
        return result(self, timeout)

    with closing(client):
        client.run(says("a"))
        monkeypatch.setattr(Future, "result", interrupted)
        with pytest.raises(KeyboardInterrupt):
            client.run(work)
        assert ended == ["cancelled"]


def test_what_work_that_failed_had_started_is_cancelled() -> None:
    ended: list[str] = []

    async def waits_on() -> None:
        try:
            await asyncio.sleep(10_000)
        finally:
            ended.append("cancelled")

    async def fails() -> None:
        await asyncio.sleep(0.01)
        raise KeyError("no")

    async def work(session: Session) -> None:
        await asyncio.gather(waits_on(), fails())

    with closing(new_client()) as client:
        with pytest.raises(KeyError, match="no"):
            client.run(work)
        assert ended == ["cancelled"]


def test_a_client_that_is_closed_as_its_work_fails_raises_the_error_of_the_work() -> None:
    """Its thread is gone between one look at it and the next."""

    class Fleeting(AsyncClient):
        looks = 0

        def __getattribute__(self, name: str) -> object:
            found = super().__getattribute__(name)
            if name == "_thread" and found is not None:
                self.looks += 1
                if self.looks == 1:
                    self.__dict__["_thread"] = None
                    found.stop()
            return found

    async def bad(session: Session) -> str:
        raise KeyError("no")

    client = Fleeting([Address("http://127.0.0.1:9")], KEY, EndpointSettings(), 5.0, "medix-test")
    with pytest.raises(KeyError, match="no"):
        client.run(bad)
    assert client.looks == 1
