"""Which of the runs that write into one folder are alive, so that what dead ones left can be removed."""

import fcntl
import os
import platform
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_SUFFIX = ".alive"


class RunLock:
    """The entry of a run in a folder: a file that it holds a lock on, and lists what it writes in.

    The kernel gives the lock back however the process ends. Entries of runs on this machine whose lock is free are
    removed with all that they list, while a lock on the whole folder is held. Those of other machines and users are
    left to them: not every shared file system locks across machines. Without locks nothing is entered or removed.

    Args:
        folder: exists.

    Attributes:
        removed: names of what dead runs had left.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._entry: IO[str] | None = None
        try:
            with _locked(folder):
                self.removed = [name for path in folder.glob(f".*{_SUFFIX}") for name in _remove_if_dead(path)]
                self._entry = _entered(folder / f".{secrets.token_hex(8)}{_SUFFIX}")
        except OSError:
            self.removed = []

    def add(self, name: str) -> None:
        """List a file or folder that is about to be written."""
        if self._entry is not None:
            self._entry.write(f"{name}\n")
            self._entry.flush()

    def close(self) -> None:
        """Remove the entry; what it lists is left as it is."""
        if self._entry is not None:
            Path(self._entry.name).unlink(missing_ok=True)
            self._entry.close()
            self._entry = None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder: an entry must not be taken for dead between its creation and its locking."""
    with (folder / ".lock").open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _entered(path: Path) -> IO[str]:
    stream = path.open("a", encoding="utf-8")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        stream.write(f"{platform.node()}\n")
        stream.flush()
    except OSError:
        stream.close()
        path.unlink()
        raise
    return stream


def _remove_if_dead(path: Path) -> list[str]:
    """Remove an entry and what it lists if its run on this machine has ended; the names that were there."""
    with path.open(encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return []
        host, *names = stream.read().splitlines() or [platform.node()]
        if host != platform.node() or os.fstat(stream.fileno()).st_uid != os.getuid():
            return []
        removed = []
        for name in names:
            is_inside = name == os.path.basename(name) and name not in {"", ".", ".."}
            for left in (path.parent / name, path.parent / f".{name}.part"):
                if is_inside and left.exists():
                    shutil.rmtree(left, ignore_errors=True)
                    removed.append(left.name)
        path.unlink()
    return removed
