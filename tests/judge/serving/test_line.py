"""The background thread that judges share."""

import asyncio
import copy
import gc
import pickle
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import Future
from pathlib import Path

import pytest

from medix.judge.serving.address import Address
from medix.judge.serving.line import Line, Work, Workroom
from medix.types import Verdict

ROOT = Path(__file__).parents[3]


def line_of() -> Line:
    return Line([Address("http://127.0.0.1:9/v1?hunter2")], "LINE_KEY", 4, 0.1, 1.0)


def closed() -> Verdict:
    return Verdict(None, "j", reason="closed")


def says(number: float) -> Work:
    async def work(room: Workroom) -> Verdict:
        return Verdict(number, "j")

    return work


async def waits(room: Workroom) -> Verdict:
    try:
        await asyncio.sleep(30)
    except asyncio.CancelledError:
        return Verdict(None, "j", reason="called off")
    return Verdict(1.0, "j")


def threads() -> int:
    return sum(thread.name == "medix-judge" for thread in threading.enumerate())


def test_the_thread_begins_with_the_first_question_and_ends_with_closing() -> None:
    before, line, owner = threads(), line_of(), object()
    assert threads() == before
    assert [line.submit(owner, says(n), closed).result(5).credit for n in (1.0, 0.5)] == [1.0, 0.5]
    assert threads() == before + 1
    assert len(line.endpoints) == 1
    line.close(owner)
    assert (threads(), line.endpoints) == (before, ())
    assert line.submit(owner, says(1.0), closed).result(5).credit == 1.0
    line.close(owner)


def test_closing_calls_off_the_owners_questions_and_leaves_those_of_others() -> None:
    line, one, other = line_of(), object(), object()
    mine, theirs = line.submit(one, waits, closed), line.submit(other, waits, closed)
    line.close(one)
    assert mine.result(1).reason in {"called off", "closed"}
    assert not theirs.done()
    line.close(other)
    assert theirs.result(1).reason in {"called off", "closed"}


def test_two_that_close_at_once_both_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """One is about to call off its questions while the other ends the thread that would do so."""
    line, one, other = line_of(), object(), object()
    theirs = line.submit(other, waits, closed)
    called, ended = threading.Event(), threading.Event()
    call_off = Workroom.call_off

    def late(room: Workroom, number: int | None = None) -> None:
        called.set()
        ended.wait(5)
        call_off(room, number)

    monkeypatch.setattr(Workroom, "call_off", late)
    first = threading.Thread(target=line.close, args=(one,), daemon=True)
    first.start()
    assert called.wait(5)
    line.close(other)
    ended.set()
    first.join(5)
    assert not first.is_alive()
    assert theirs.result(1).reason in {"called off", "closed"}


def test_closing_from_many_threads_comes_back() -> None:
    for _ in range(20):
        line, owners = line_of(), [object() for _ in range(4)]
        for owner in owners:
            line.submit(owner, waits, closed)
        closing = [threading.Thread(target=line.close, args=(owner,), daemon=True) for owner in owners]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join(5)
        assert not any(thread.is_alive() for thread in closing)


def test_a_question_that_makes_no_verdict_of_being_called_off_is_given_one() -> None:
    async def sleeps(room: Workroom) -> Verdict:
        await asyncio.sleep(30)
        return Verdict(1.0, "j")

    line, owner = line_of(), object()
    futures = [line.submit(owner, sleeps, closed) for _ in range(5)]
    line.close(owner)
    assert {future.result(1).reason for future in futures} == {"closed"}


def test_a_future_that_its_holder_cancelled_troubles_nobody() -> None:
    line, owner = line_of(), object()
    future: Future[Verdict] = line.submit(owner, waits, closed)
    future.cancel()
    assert line.submit(owner, says(1.0), closed).result(5).credit == 1.0
    line.close(owner)


def test_a_callback_may_ask_again() -> None:
    line, owner = line_of(), object()
    asked: Future[Future[Verdict]] = Future()
    line.submit(owner, says(1.0), closed).add_done_callback(
        lambda _: asked.set_result(line.submit(owner, says(0.5), closed))
    )
    assert asked.result(5).result(5).credit == 0.5
    line.close(owner)


def test_copies_and_pickles_begin_anew_and_hold_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINE_KEY", "top-secret-1")
    line, owner = line_of(), object()
    line.submit(owner, says(1.0), closed).result(5)
    for other in (copy.deepcopy(line), pickle.loads(pickle.dumps(line))):  # spawned workers get it pickled
        assert other.endpoints == ()
        assert other.submit(owner, says(0.5), closed).result(5).credit == 0.5
        other.close(owner)
    assert b"top-secret-1" not in pickle.dumps(line)
    line.close(owner)


def test_secrets_of_key_and_address_are_taken_out_of_messages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINE_KEY", " top-secret-1\n")
    line, owner = line_of(), object()

    async def work(room: Workroom) -> Verdict:
        return Verdict(None, "j", reason=room.without_secrets("top-secret-1 hunter2 sk-abcdef Bearer xyz plain"))

    assert line.submit(owner, work, closed).result(5).reason == "[key] [key] [key] Bearer [key] plain"
    line.close(owner)


def test_a_line_that_nobody_closed_ends_with_its_last_user() -> None:
    before, line = threads(), line_of()
    line.submit(object(), says(1.0), closed).result(5)
    kept = weakref.ref(line)
    time.sleep(0.05)  # the loop lets go of the question
    del line
    gc.collect()
    assert kept() is None
    assert threads() == before


def test_a_program_that_closes_nothing_ends_quietly() -> None:
    program = """
from medix.judge import ServedJudge
from medix.types import JudgeQuestion
from tests.support.judges import hangs, says, serving
with serving(says("YES"), hangs) as server:
    judge = ServedJudge(server.url, "m")
    assert judge.grade([JudgeQuestion("q", "r", "a")])[0].credit == 1.0
    judge.submit(JudgeQuestion("q", "r", "b"))
"""
    done = subprocess.run([sys.executable, "-W", "always", "-c", program], cwd=ROOT, capture_output=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
