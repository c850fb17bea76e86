"""Files that are written whole or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


def write_atomically(path: str | Path, text: str | bytes) -> None:
    """Write a file atomically: concurrent readers, and a crash, see either the old file or the new one.

    A lone surrogate, which UTF-8 cannot hold, is written as ``\\udXXX``: in JSON, the escape that is read as the same.
    """
    path = Path(path)
    data = text.encode("utf-8", ESCAPE) if isinstance(text, str) else text
    if path.exists() and not path.is_file():
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        with path.open("wb") as stream:  # a device or a pipe is no file to replace
            stream.write(data)
        return
    path = Path(os.path.realpath(path))  # a symbolic link stays one, and its target is replaced
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        with naming(path), part.open("wb") as file:
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
    if path.exists() and not path.is_file():
        return  # a device or a pipe, which may have no path of its own
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.touch()
    part.unlink()
