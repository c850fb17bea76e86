"""How large a file may become: as large as the file system has room for, and as a limit of the process allows."""

import errno
import os
import re
import resource
import shutil
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the errors of a file that could not be written for its size."""


def free_bytes(path: Path) -> int:
    """Bytes that are free where a file is, or would be."""
    return shutil.disk_usage(next(one for one in (path, *path.absolute().parents) if one.exists())).free


def error_number(error: Exception, path: Path, needed: int) -> int:
    """Number of the error of a file that could not be written.

    Args:
        error: of Python, or of a library that names the number in its text (safetensors) or none (torch): then what
            keeps the file from growing is what ended it. Where nothing does, it is an error of the device.
        path: the file, of which no part is left.
        needed: bytes that it would have had at least.
    """
    found = re.search(r"os error (\d+)", str(error))
    if getattr(error, "errno", None) or found:
        return int(getattr(error, "errno", None) or found[1])  # type: ignore[index]
    limit, free = _size_limit(), free_bytes(path)
    if limit is not None and limit <= min(free, needed):
        return errno.EFBIG
    return errno.ENOSPC if free < needed else errno.EIO


def growth_error(path: Path) -> int | None:
    """Number of the error that keeps a file from growing, for libraries that do not tell; None if it grows.

    Args:
        path: a part of the file that could not be written; it may grow by 1 MiB.
    """
    try:
        with path.open("ab") as file:
            file.write(bytes(1 << 20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return error.errno
    return None


def described(number: int, path: Path, needed: int) -> str:
    """What ended the writing of a file: the system's own words, and of a lack of room what is needed and there.

    Args:
        number: of the error.
        path: the file.
        needed: bytes that it would have had at least.
    """
    words = os.strerror(number)
    return f"{words}: at least {needed} bytes are needed, {room(path, number)}" if number in NO_ROOM else words


def room(path: Path, number: int | None) -> str:
    """What a file that could not be written had room for.

    Args:
        path: the file.
        number: of the error, one of ``NO_ROOM``.
    """
    if number != errno.EFBIG:
        return f"{free_bytes(path)} bytes are free"
    limit = _size_limit()
    return "its file system takes no larger file" if limit is None else f"a file may have {limit} bytes (ulimit -f)"


def remedy(number: int | None) -> str:
    """What to do where an error of this number ended the writing of a file."""
    if number == errno.EFBIG:
        return "raise the limit on the size of files"
    return "free some space" if number in NO_ROOM else "check the path, its disk and its permissions"


def _size_limit() -> int | None:
    """The largest file in bytes that this process may write; None if it may write any."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if limit == resource.RLIM_INFINITY else limit
