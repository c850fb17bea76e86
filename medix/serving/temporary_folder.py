"""The temporary files of a server, in a folder that is removed with it, however it ends."""

import fcntl
import getpass
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "medix-server-"
_SOCKET_LENGTH = 107 - len("/12345678-1234-1234-1234-123456789012")
"""The system takes no longer paths of sockets, which vLLM names so."""


@contextmanager
def temporary_folder() -> Iterator[dict[str, str]]:
    """A folder for the sockets and files that a server leaves behind where it is killed.

    This process holds a lock on it, which the kernel gives back however the process ends: a folder without one is that
    of a command that was killed, and is removed with the next start.

    Yields:
        Variables of the server's environment that have it put its temporary files there; none where the paths of its
        sockets would be too long. What is kept from one start to the next, the compiled kernels, stays where it is.
    """
    shared = Path(tempfile.gettempdir())
    for left in shared.glob(f"{_PREFIX}*"):
        _remove_if_free(left)
    folder, descriptor = _locked_folder()
    try:
        kernels = os.environ.get("TORCHINDUCTOR_CACHE_DIR") or str(shared / f"torchinductor_{_user()}")
        is_short = len(os.fsencode(folder)) <= _SOCKET_LENGTH
        yield {"TMPDIR": str(folder), "TORCHINDUCTOR_CACHE_DIR": kernels} if is_short else {}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def _locked_folder() -> tuple[Path, int]:
    """A new folder, and the descriptor that has it locked."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        with suppress(FileNotFoundError):  # another start has removed it before it was locked
            descriptor = os.open(folder, os.O_RDONLY)
            with suppress(OSError):  # no locks here
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if folder.exists():
                return folder, descriptor
            os.close(descriptor)


def _remove_if_free(folder: Path) -> None:
    """Remove a folder of this user that no process has locked."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if os.fstat(descriptor).st_uid == os.getuid():
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(descriptor)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return str(os.getuid())
