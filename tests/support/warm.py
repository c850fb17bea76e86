"""Processes that begin with medix imported: forked from a server that imported it once, which takes eight seconds.

They have process ids, signals, standard streams and exit statuses of their own, as fresh ones have. They share the hash
seed of the server: what is compared between two interpreters needs two fresh ones.
"""

import atexit
import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.support.preloaded"])


def start(
    command: Callable[..., int], *arguments: object, folder: Path, stdout: Path, stderr: Path, **environment: str
) -> BaseProcess:
    """Begin a process.

    Args:
        command: runs in it, in the module that defines it; returns the exit status.
        arguments: its arguments.
        folder: working directory; modules in it can be imported, as under ``python -m``.
        stdout: file of its standard output.
        stderr: file of its standard error; may be the same.
        environment: added to that of this process.
    """
    everything = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200", **environment}
    process = _CONTEXT.Process(target=_begin, args=(command, arguments, folder, stdout, stderr, everything))
    with _interrupts_as_in_a_terminal():
        process.start()
    return process


def run(
    command: Callable[..., int], *arguments: object, folder: Path, limit: float, **environment: str
) -> "subprocess.CompletedProcess[str]":
    """A process from its begin to its end.

    Raises:
        subprocess.TimeoutExpired: it took longer than ``limit`` seconds, and was killed.
    """
    files = [folder / f".standard-{name}-{os.getpid()}" for name in ("output", "error")]
    process = start(command, *arguments, folder=folder, stdout=files[0], stderr=files[1], **environment)
    status = wait(process, limit)
    said = [path.read_text(encoding="utf-8", errors="replace") for path in files]
    for path in files:
        path.unlink()
    return subprocess.CompletedProcess([command.__name__, *map(str, arguments)], status, *said)


def wait(process: BaseProcess, limit: float) -> int:
    """The exit status of a process; below 0, the signal that ended it.

    Raises:
        subprocess.TimeoutExpired: it took longer than ``limit`` seconds, and was killed.
    """
    process.join(limit)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise subprocess.TimeoutExpired(process.name, limit)
    return process.exitcode


def _begin(
    command: Callable[..., int],
    arguments: tuple[object, ...],
    folder: Path,
    stdout: Path,
    stderr: Path,
    environment: Mapping[str, str],
) -> None:
    import numpy as np
    import torch

    for path, stream in ((stdout, 1), (stderr, 2)):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, stream)
        os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.path.insert(0, "")
    torch.set_num_threads(int(environment["OMP_NUM_THREADS"]))  # which torch read when the server imported it
    np.random.seed()  # every child would have the state of the server
    gc.freeze()  # a collection would go through all that the server imported, and copy its memory
    status = command(*arguments)
    atexit._run_exitfuncs()
    sys.exit(status)


@contextmanager
def _interrupts_as_in_a_terminal() -> Iterator[None]:
    """The server hands its children the signal handlers that it began with. Only the main thread can set them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
