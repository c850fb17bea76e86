"""Files that are written whole or not at all."""

import errno
import fcntl
import glob
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from medix.files.standard_output import is_standard_output, opened

ESCAPE = "backslashreplace"
"""How text that UTF-8 cannot hold is written: a lone surrogate as ``\\udXXX``, which JSON reads as the same."""


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Have an ``OSError`` of the block name a file, as errors of opening do and those of writing (disk full) do not."""
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def is_stream(path: Path) -> bool:
    """Whether a path is a device, a pipe or standard output, and so no file to replace."""
    return is_standard_output(path) or (path.exists() and not path.is_file() and not path.is_dir())


def write_atomically(path: str | Path, text: str | bytes) -> None:
    """Write a file atomically: concurrent readers, and a crash, see either the old file or the new one.

    Of several processes or threads that write it at the same time, the last one's file stays. What a killed one has
    left is removed by the next that writes the file.

    A lone surrogate, which UTF-8 cannot hold, is written as ``\\udXXX``: in JSON, the escape that is read as the same.
    """
    path = Path(path)
    data = text.encode("utf-8", ESCAPE) if isinstance(text, str) else text
    if is_stream(path):
        with naming(path), opened(path) as stream:
            stream.write(data)
        return
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    path = Path(os.path.realpath(path))  # a symbolic link stays one, and its target is replaced
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_left(path)
    part = _part(path)
    try:
        with naming(path), part.open("xb") as file:
            with suppress(OSError):  # no locks here
                fcntl.flock(file, fcntl.LOCK_EX)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def check_writable(path: str | Path) -> None:
    """Find out before hours of work whether ``write_atomically`` can write a file after them.

    Raises:
        OSError: the folder cannot be created, or no file in it.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if is_stream(path):
        return  # which may have no path of its own
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _part(path)
    part.touch()
    part.unlink()


def _part(path: Path) -> Path:
    """A name that no other process or thread uses."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")


def _remove_left(path: Path) -> None:
    """Remove parts of a file that nobody holds a lock on; an empty one may be about to be locked."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.????????.part"):
        with suppress(OSError), left.open("r+b") as file:  # it is being written, or is gone, or there are no locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_size:
                left.unlink(missing_ok=True)
