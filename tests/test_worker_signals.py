"""Worker processes leave signals to their parent, and end with it."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from medix.stop_signal import SIGNALS
from medix.worker_signals import blocked, leave_signals_to_parent

_FORK = multiprocessing.get_context("fork")


def _works(ready: Connection) -> None:
    leave_signals_to_parent()
    ready.send(os.getpid())
    time.sleep(600)


def _starts(ready: Connection) -> None:
    with blocked():
        _FORK.Process(target=_works, args=(ready,), daemon=True).start()
    time.sleep(600)


def _ends(pid: int) -> bool:
    for _ in range(600):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def test_a_worker_ends_when_its_parent_says_so_and_by_no_signal_of_others() -> None:
    ours, theirs = _FORK.Pipe()
    with blocked():
        worker = _FORK.Process(target=_works, args=(theirs,), daemon=True)
        worker.start()
        os.kill(worker.pid or 0, signal.SIGINT)  # before it can have said what it does with signals
    pid = ours.recv()
    for number in SIGNALS:
        subprocess.run(["kill", f"-{number:d}", str(pid)], check=True)
    time.sleep(0.3)
    assert worker.is_alive()
    worker.terminate()
    worker.join(60)
    assert worker.exitcode == 128 + signal.SIGTERM


def test_a_worker_ends_with_its_parent() -> None:
    ours, theirs = _FORK.Pipe()
    parent = _FORK.Process(target=_starts, args=(theirs,))
    parent.start()
    worker = ours.recv()
    parent.kill()
    parent.join(60)
    assert _ends(worker)


def _interrupted(waiting: set[signal.Signals]) -> None:
    with blocked():
        signal.raise_signal(signal.SIGINT)
        waiting |= {signal.Signals(one) for one in signal.sigpending()}


def test_signals_of_this_process_wait_and_its_mask_is_restored() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    waiting: set[signal.Signals] = set()
    with pytest.raises(KeyboardInterrupt):
        _interrupted(waiting)
    assert signal.SIGINT in waiting
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


_SERVED = """
import multiprocessing, signal, sys
from medix.data import row_pool
from medix.worker_signals import blocked
from tests.data.test_row_pool import Pids

def mask():
    print(len(signal.pthread_sigmask(signal.SIG_BLOCK, ())), flush=True)

if __name__ == "__main__":
    if sys.argv[1] == "default":
        multiprocessing.set_start_method("forkserver")
        with blocked():
            multiprocessing.Process(target=mask).start()
    row_pool.SMALL = 4
    list(row_pool.outcomes(Pids(), list(enumerate(Pids().rows()))[:20], 2))
    process = multiprocessing.get_context("forkserver").Process(target=mask)
    process.start()
    process.join()
"""


@pytest.mark.parametrize("default", ["default", "named"])
def test_a_fork_server_begins_with_no_signal_blocked(tmp_path: Path, default: str) -> None:
    """It is one for the program: processes of others, which it starts later, would ignore SIGTERM."""
    (tmp_path / "served.py").write_text(_SERVED)
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, str(tmp_path / "served.py"), default]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert set(done.stdout.split()) == {"0"}, done.stdout + done.stderr
