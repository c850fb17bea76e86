"""Worker processes leave signals to the process that started them.

A terminal, ``timeout``, Slurm and systemd send a signal to every process of a group. A worker that ended by it would
look like one that was killed, while its parent saves what is done. So a worker ends when its parent tells it to, or
ends itself.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.process import BaseProcess

from medix.stop_signal import SIGNALS

_SECONDS = 1.0


@contextmanager
def blocked() -> Iterator[None]:
    """Inside, processes that this thread starts begin with ``SIGNALS`` blocked; those to this process wait.

    Processes of a fork server do not: it is one for the whole program, and must not begin in here.
    """
    resource_tracker.ensure_running()  # it would unblock them when it is started
    if multiprocessing.get_context().get_start_method() == "forkserver":
        forkserver.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_signals_to_parent() -> None:
    """In a process of ``multiprocessing``: end with its parent or by its SIGTERM, and by no other signal of a group."""
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent,), name="medix-parent", daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    while parent.is_alive():
        if hasattr(signal, "sigtimedwait"):
            told = signal.sigtimedwait({signal.SIGTERM}, _SECONDS)
            if told is not None and told.si_pid == parent.pid:
                os._exit(128 + signal.SIGTERM)
        else:  # macOS does not say who sends a signal
            parent.join(_SECONDS)
    os._exit(1)
