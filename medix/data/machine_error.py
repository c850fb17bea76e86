"""Faults of the machine, which say nothing about the shard that is being read."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medix.files import disk_room

_SPACE = "free some space, name another data.cache_dir, or set data.cache_gb"
_FILES = "raise the limit of open files (ulimit -n), or lower data.window or data.num_workers"
_RIGHTS = "give this user the right to write there, or name another data.cache_dir"
_REMEDIES = {
    errno.ENOSPC: _SPACE, errno.EDQUOT: _SPACE, errno.EFBIG: disk_room.remedy(errno.EFBIG), errno.EMFILE: _FILES,
    errno.ENFILE: _FILES, errno.EACCES: _RIGHTS, errno.EPERM: _RIGHTS, errno.EROFS: _RIGHTS,
    errno.ENOMEM: "lower data.num_workers",
}  # fmt: skip

EXHAUSTED = frozenset({*disk_room.NO_ROOM, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Numbers of errors that are the machine's wherever they occur: it has no more disk, open files or memory."""


class MachineError(OSError):
    """The machine cannot store, open or read a shard. It ends a run, also one that leaves out bad shards."""

    @classmethod
    def of(cls, error: OSError, path: str | Path) -> "MachineError":
        """An error of the operating system, with the path and a remedy."""
        remedy = _REMEDIES.get(error.errno or 0, "check this path and its disk, or name another data.cache_dir")
        named = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else path
        return cls(f"{named}: {error.strerror or error}; {remedy}")


@contextmanager
def on_this_machine(path: str | Path) -> Iterator[None]:
    """Turn errors of the operating system into ``MachineError``; others that are an ``OSError`` too pass.

    Args:
        path: that is named if the error names none.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:  # a DownloadError, or one that was turned before
            raise
        raise MachineError.of(error, path) from error
