"""One run at a time in a folder: two would cut and append the same records, and replace each other's checkpoints."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path


class HeldError(ValueError):
    """Another process has locked it."""


_held: set[int] = set()
"""Descriptors of files and folders that this process has locked."""


@contextmanager
def held(folder: Path, key: str = "trainer.default_root_dir", work: str = "fit") -> Iterator[None]:
    """Hold a folder, which is created, and removed again if it stays empty.

    The lock is on the folder itself, so that no file is left, and the kernel gives it back however the process ends.
    On a file system without such locks the folder is not protected. On NFS neither: Linux turns such a lock there into
    one of a byte range, which needs a file that is open for writing, as a folder cannot be; with ``local_lock=flock``
    it holds among the processes of one machine.

    Args:
        folder: the folder.
        key: what names it, for messages.
        work: what is done in it, for messages.

    Raises:
        HeldError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        lock(
            descriptor,
            f"{key}: {folder}: another {work} is writing into this folder; wait until it has ended, end it, or name "
            "another folder",
        )
        try:
            yield
        finally:
            with suppress(OSError):  # it is not empty
                folder.rmdir()
    finally:
        release(descriptor)


def lock(descriptor: int, refusal: str) -> None:
    """Lock an open file or folder until ``release``, or the end of the process, however it ends.

    Args:
        descriptor: of it; closed in forked children.
        refusal: message of the error.

    Raises:
        HeldError: another process has locked it.
    """
    _let_go_in_forks()
    _held.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise HeldError(refusal) from error
    except OSError:
        return  # no locks here


def release(descriptor: int) -> None:
    """Close what ``lock`` has locked, or failed to."""
    _held.discard(descriptor)
    os.close(descriptor)


@cache
def _let_go_in_forks() -> None:
    """Have forked children, such as data workers, close them: one that outlives its run would hold the locks."""

    def close() -> None:
        while _held:
            os.close(_held.pop())

    os.register_at_fork(after_in_child=close)
