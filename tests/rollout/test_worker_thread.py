"""Work in a thread of its own: one thread for all of it, errors brought back, hanging noticed."""

import threading
import time

import pytest

from medix.rollout.worker_thread import AbandonedError, StalledError, WorkerThread

# Derived by hand.


def test_all_work_runs_in_one_other_thread_and_gives_back_its_value() -> None:
    thread = WorkerThread("medix-test")
    seen = [thread.run(threading.current_thread, limit=5) for _ in range(3)]
    thread.stop()
    assert {one.name for one in seen} == {"medix-test"}
    assert len({one.ident for one in seen}) == 1
    assert seen[0] is not threading.current_thread()


def test_after_its_end_a_new_thread_takes_the_next_work() -> None:
    thread = WorkerThread("medix-test")
    first = thread.run(threading.get_ident, limit=5)
    thread.stop()
    alive = thread.run(threading.current_thread, limit=5)
    thread.stop()
    assert isinstance(first, int)
    alive.join(timeout=120)
    assert not alive.is_alive()


# Properties.


def test_work_that_shows_signs_of_life_may_take_longer_than_the_limit() -> None:
    thread = WorkerThread("medix-test")

    def work() -> str:
        for _ in range(5):
            time.sleep(0.15)
            thread.heartbeat()
        return "done"

    assert thread.run(work, limit=0.5) == "done"
    thread.stop()


# Faults.


@pytest.mark.parametrize("kind", [ValueError, TimeoutError, SystemExit])
def test_an_error_of_the_work_is_raised_where_it_was_asked_for(kind: type[BaseException]) -> None:
    thread = WorkerThread("medix-test")

    def work() -> None:
        raise kind("broken")

    with pytest.raises(kind, match="broken"):
        thread.run(work, limit=5)
    assert thread.run(lambda: 3, limit=5) == 3
    thread.stop()


def test_work_that_hangs_is_given_up_within_the_limit() -> None:
    thread, release = WorkerThread("medix-test"), threading.Event()
    begun = time.monotonic()
    with pytest.raises(StalledError, match=r"nothing happened for 0\.2 seconds"):
        thread.run(lambda: release.wait(30), limit=0.2)
    assert time.monotonic() - begun < 120
    release.set()
    thread.stop()


def test_work_that_nobody_waits_for_ends_with_its_next_heartbeat_and_later_work_does_not() -> None:
    thread, release, ended = WorkerThread("medix-test"), threading.Event(), threading.Event()

    def work() -> None:
        release.wait(120)
        try:
            thread.heartbeat()
        except AbandonedError:
            ended.set()

    with pytest.raises(StalledError):
        thread.run(work, limit=0.2)
    release.set()
    assert thread.run(thread.heartbeat, limit=120) is None
    assert ended.is_set()
    thread.stop()
