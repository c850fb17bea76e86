"""Signals during a run: when they only set a flag, when they raise, and what a second one does."""

import ctypes
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medix import stop_signal
from medix.stop_signal import StopRequested
from tests.support import warm


@pytest.fixture
def caught() -> Iterator[None]:
    """A run whose first step has begun."""
    before = [signal.getsignal(number) for number in stop_signal.SIGNALS]
    with stop_signal.catching("medix test", speaks=False):
        stop_signal.begin_deferring()
        yield
    assert [signal.getsignal(number) for number in stop_signal.SIGNALS] == before
    assert stop_signal.requested() is None


def send(number: signal.Signals = signal.SIGTERM) -> None:
    signal.raise_signal(number)


@pytest.mark.usefixtures("caught")
@pytest.mark.parametrize("number", stop_signal.SIGNALS)
def test_a_signal_sets_a_flag_and_work_that_is_due_goes_on(number: signal.Signals) -> None:
    send(number)
    with stop_signal.shielded():
        pass
    assert stop_signal.requested() == number
    assert not stop_signal.is_agreed()
    stop_signal.agree(int(signal.SIGINT))
    assert stop_signal.is_agreed()
    assert stop_signal.requested() == number, "the first signal is the cause"


@pytest.mark.usefixtures("caught")
@pytest.mark.parametrize("sends_before", [True, False])
def test_work_that_may_be_abandoned_is(sends_before: bool) -> None:
    reached = []
    if sends_before:
        send()

    def work() -> None:
        reached.append("begun")
        send()
        reached.append("gone on")

    with pytest.raises(StopRequested), stop_signal.abandonable():
        work()
    assert reached == ([] if sends_before else ["begun"])
    with stop_signal.abandonable(allowed=False):
        reached.append("finished")
    assert reached[-1] == "finished"


@pytest.mark.usefixtures("caught")
def test_a_collective_operation_is_finished_before_the_work_around_it_is_abandoned() -> None:
    reached = []

    def work() -> None:
        with stop_signal.shielded():
            send()
            reached.append("in step with the other ranks")
        reached.append("gone on")

    with pytest.raises(StopRequested), stop_signal.abandonable():
        work()
    assert reached == ["in step with the other ranks"]


@pytest.mark.usefixtures("caught")
def test_an_error_in_a_collective_operation_is_not_replaced_by_the_signal() -> None:
    def fails() -> None:
        send()
        raise ValueError("rank 1 stopped")

    with pytest.raises(ValueError, match="rank 1"), stop_signal.abandonable(), stop_signal.shielded():
        fails()


def test_before_the_first_step_everything_may_be_abandoned() -> None:
    with pytest.raises(StopRequested), stop_signal.catching("medix test", speaks=False):
        send()


@pytest.mark.usefixtures("caught")
def test_other_threads_are_left_alone() -> None:
    """A raise belongs to the thread that handles signals."""
    send()
    found: list[object] = []

    def work() -> None:
        with stop_signal.abandonable(), stop_signal.shielded():
            found.append("done")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(120)
    assert found == ["done"]


def test_without_a_run_nothing_is_caught() -> None:
    with stop_signal.abandonable(), stop_signal.shielded():
        stop_signal.agree()
        stop_signal.begin_deferring()
    assert (stop_signal.requested(), stop_signal.is_agreed()) == (None, False)


# Processes -----------------------------------------------------------------------------------------------------------


def _hangs(gap: float) -> int:
    """A main thread that never comes back from C, as from a collective whose other ranks have gone."""
    stop_signal.SAME_SIGNAL_SECONDS = gap
    with stop_signal.catching("medix test"):
        stop_signal.begin_deferring()
        lock = ctypes.create_string_buffer(128)
        libc = ctypes.CDLL(None)
        libc.pthread_mutex_lock(lock)
        Path("hangs").touch()
        libc.pthread_mutex_lock(lock)
    return 0


def _has_worker() -> int:
    """A forked worker, as data loaders have: told to end, it ends, and its parent does not take that for a signal.

    Nor the signals of other handlers: torch's data loader has one for SIGCHLD.
    """
    stop_signal.SAME_SIGNAL_SECONDS = -1.0
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with stop_signal.catching("medix test"):
        for _ in range(2):
            signal.raise_signal(signal.SIGCHLD)
            time.sleep(0.1)
        stop_signal.begin_deferring()
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            os._exit(3)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return 10 if ended == -signal.SIGTERM and stop_signal.requested() is None else 11


def _leaves_a_worker() -> int:
    """A forked worker that outlives the run, as those of a data loader that an error keeps alive."""
    with stop_signal.catching("medix test"):
        child = os.fork()
        if child == 0:
            time.sleep(600)
            os._exit(0)
    os.kill(child, signal.SIGKILL)
    return 10


def _begin(command: Callable[..., int], *arguments: object, folder: Path) -> "tuple[object, Path]":
    said = folder / "said"
    return warm.start(command, *arguments, folder=folder, stdout=said, stderr=said), said


def _await(found: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not found():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("number", stop_signal.SIGNALS)
def test_a_second_signal_ends_a_process_that_hangs_and_repeats_of_the_first_do_not(
    number: signal.Signals, tmp_path: Path
) -> None:
    gap = 0.5
    process, said = _begin(_hangs, gap, folder=tmp_path)
    _await(lambda: (tmp_path / "hangs").exists())
    for _ in range(2):
        os.kill(process.pid, number)  # type: ignore[attr-defined]
    _await(lambda: "a second signal ends it at once" in said.read_text())
    time.sleep(2 * gap)
    assert process.is_alive()  # type: ignore[attr-defined]
    if number == signal.SIGUSR1:  # only announces the SIGTERM of Slurm, which is the first wish
        os.kill(process.pid, signal.SIGTERM)  # type: ignore[attr-defined]
        time.sleep(2 * gap)
        assert process.is_alive()  # type: ignore[attr-defined]
    os.kill(process.pid, signal.SIGTERM)  # type: ignore[attr-defined]
    assert warm.wait(process, 120) == 143  # type: ignore[arg-type]
    assert said.read_text().splitlines()[-1] == "medix test: ended at once by a second signal, SIGTERM"


def test_a_forked_worker_ends_when_it_is_told_to(tmp_path: Path) -> None:
    assert isinstance(found := warm.run(_has_worker, folder=tmp_path, limit=120), subprocess.CompletedProcess)
    assert (found.returncode, found.stderr) == (10, "")


def test_a_worker_that_outlives_a_run_does_not_hold_it(tmp_path: Path) -> None:
    found = warm.run(_leaves_a_worker, folder=tmp_path, limit=120)
    assert (found.returncode, found.stderr) == (10, "")
