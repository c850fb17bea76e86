"""How large a file may become: as large as the file system has room for, and as a limit of the process allows."""

import errno
import re
import resource
import shutil
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Numbers of the errors of a file that could not be written for its size."""


def free_bytes(path: Path) -> int:
    """Bytes that are free where a file is, or would be."""
    return shutil.disk_usage(next(one for one in (path, *path.absolute().parents) if one.exists())).free


def error_number(error: Exception, path: Path) -> int:
    """Number of the error of a file that could not be written.

    Args:
        error: of Python, or of a library that names the number in its text (safetensors) or none (torch): then what
            keeps the file from growing is what ended it.
        path: the file.
    """
    found = re.search(r"os error (\d+)", str(error))
    if getattr(error, "errno", None) or found:
        return int(getattr(error, "errno", None) or found[1])  # type: ignore[index]
    limit = _size_limit()
    return errno.ENOSPC if limit is None or limit > free_bytes(path) else errno.EFBIG


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
    return "free some space" if number != errno.EFBIG else "raise the limit on the size of files"


def _size_limit() -> int | None:
    """The largest file in bytes that this process may write; None if it may write any."""
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    return None if limit == resource.RLIM_INFINITY else limit
