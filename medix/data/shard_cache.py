"""A folder of downloaded shards, of bounded size, that several processes share."""

import fcntl
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import filelock

from medix.data.download import DownloadError, download
from medix.data.failed_downloads import FailedDownloads
from medix.data.machine_error import on_this_machine
from medix.data.manifest import ShardEntry
from medix.data.verified import VerifiedFiles, verified_files

Advance = Callable[[int], object]

_LOG = logging.getLogger(__name__)
_PARTIAL = ".partial-"


def default_cache() -> Path:
    """The default folder for downloaded shards."""
    return Path.home() / ".cache" / "medix" / "shards"


class ShardCache:
    """Downloaded shards, named after their checksums.

    A shard is downloaded once, whichever processes need it, into a file that takes its place when it is whole. If the
    folder would exceed the limit, the shards that were opened least recently are removed first. Whoever has a shard
    open holds a shared lock on its file, so that it is not removed; if only such shards are left, the limit is exceeded
    with a warning. A download that failed is not repeated for a while by any of the processes (``FailedDownloads``).
    The folder also holds the stamps of verified shards, local ones included.

    Args:
        folder: None for ``~/.cache/medix/shards``.
        limit: bytes of all shards in the folder; None for no limit.
        attempts: largest number of attempts of a download.
        seconds: longest time of a download, over all attempts.
    """

    def __init__(
        self, folder: Path | None = None, limit: int | None = None, attempts: int = 5, seconds: float = 1200.0
    ) -> None:
        self.folder = folder or default_cache()
        self.limit = limit
        self.attempts = attempts
        self.seconds = seconds
        self.failed = FailedDownloads(self.folder)
        self._has_warned = False

    @property
    def verified(self) -> VerifiedFiles:
        """The stamps of verified shards."""
        return verified_files(self.folder / "verified.jsonl")

    def path(self, entry: ShardEntry) -> Path:
        """Where a downloaded shard is."""
        return self.folder / f"{entry.sha256}.tar"

    def has(self, entry: ShardEntry) -> bool:
        """Whether a shard is downloaded."""
        status = _status(self.path(entry))
        return status is not None and status.st_size == entry.bytes

    def open(self, entry: ShardEntry) -> int:
        """A descriptor of a shard, which is downloaded if necessary; it keeps the shard from being removed.

        Raises:
            DownloadError: it cannot be downloaded.
            MachineError: it cannot be stored or opened.
        """
        while True:
            self.fetch(entry)
            with on_this_machine(self.folder), suppress(FileNotFoundError):  # removed since
                path = self.path(entry)
                descriptor = os.open(path, os.O_RDONLY)
                with suppress(OSError):  # a file system without locks
                    fcntl.flock(descriptor, fcntl.LOCK_SH)
                with suppress(OSError):
                    if os.fstat(descriptor).st_ino == path.stat().st_ino:
                        self.touch(entry)
                        return descriptor
                os.close(descriptor)

    def fetch(self, entry: ShardEntry, is_early: bool = False, advance: Advance = lambda _: None) -> None:
        """Download a shard unless it is there.

        Args:
            entry: the shard.
            is_early: it is not needed yet, and is left for later where the limit would be exceeded.
            advance: is told the bytes that come.

        Raises:
            DownloadError: it cannot be downloaded, or could not by another process shortly before.
            MachineError: it cannot be stored.
        """
        with on_this_machine(self.folder):
            if self.has(entry):
                return
            self.failed.check(entry)
            self.folder.mkdir(parents=True, exist_ok=True)
            with filelock.FileLock(_lock(self.path(entry))):
                if not self.has(entry):
                    self.failed.check(entry)  # again: another process may have tried meanwhile
                    self._download(entry, is_early, advance)

    def compare(self, entry: ShardEntry, advance: Advance = lambda _: None) -> None:
        """Read what the address of a shard holds, whether or not it is downloaded, and store nothing of it.

        Args:
            entry: the shard.
            advance: is told the bytes that come.

        Raises:
            DownloadError: it is not there, or another file.
        """
        self.failed.check(entry)
        try:
            null, attempts = Path(os.devnull), self.failed.attempts(entry, self.attempts)
            download(entry.url, null, entry.bytes, entry.sha256, attempts, seconds=self.seconds, advance=advance)
        except DownloadError as error:
            self.failed.add(entry, error)
            raise
        self.failed.forget(entry)

    def touch(self, entry: ShardEntry) -> None:
        """Have a shard removed after those that were not opened or touched since, because it is needed soon."""
        path = self.path(entry)
        with suppress(OSError):  # removed since, or in the folder of someone else
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))

    def _download(self, entry: ShardEntry, is_early: bool, advance: Advance) -> None:
        path = self.path(entry)
        partial = path.with_name(f"{_PARTIAL}{path.name}")
        try:
            if not self._make_room(partial, entry.bytes, is_early):
                return
            attempts = self.failed.attempts(entry, self.attempts)
            download(entry.url, partial, entry.bytes, entry.sha256, attempts, seconds=self.seconds, advance=advance)
            os.replace(partial, path)
        except DownloadError as error:
            self.failed.add(entry, error)
            raise
        finally:
            partial.unlink(missing_ok=True)
        self.failed.forget(entry)
        self.verified.add(path, entry.sha256)

    def remove(self, entry: ShardEntry) -> None:
        """Remove a shard that is damaged."""
        self.path(entry).unlink(missing_ok=True)

    def _make_room(self, partial: Path, needed: int, is_early: bool) -> bool:
        """Create a file of the needed size, so that others count it, and remove shards above the limit.

        Returns:
            Whether it is to be downloaded.
        """
        with filelock.FileLock(self.folder / "room.lock"):
            for other in self.folder.glob(f"{_PARTIAL}*.tar"):
                if other != partial:
                    _remove_abandoned(other)
            with open(partial, "wb") as file:
                file.truncate(needed)
            if self.limit is None:
                return True
            files = ((path, _status(path)) for path in self.folder.glob("*.tar"))  # with those being downloaded
            found = [(path, status) for path, status in files if status is not None]
            total = sum(status.st_size for _, status in found)
            for path, status in sorted(found, key=lambda one: one[1].st_atime_ns):
                if total <= self.limit:
                    return True
                if not path.name.startswith(".") and _remove(path):
                    total -= status.st_size
        if total > self.limit and is_early:
            return False
        if total > self.limit and not self._has_warned:
            self._has_warned = True
            _LOG.warning(
                "%s holds %.2f GB, more than data.cache_gb: %.2f, because its shards are open; lower data.window or "
                "raise data.cache_gb",
                self.folder, total / 1e9, self.limit / 1e9,
            )  # fmt: skip
        return True


def _lock(path: Path) -> Path:
    """The lock that whoever downloads a shard holds."""
    return path.with_name(f"{path.name}.lock")


def _remove_abandoned(partial: Path) -> None:
    """Remove what a process that was killed has downloaded of a shard: nobody holds its lock."""
    with (
        suppress(OSError, filelock.Timeout),
        filelock.FileLock(_lock(partial.with_name(partial.name.removeprefix(_PARTIAL))), timeout=0),
    ):
        partial.unlink(missing_ok=True)


def _status(path: Path) -> os.stat_result | None:
    """The status of a file; None if there is none, or another process has just renamed or removed it."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _remove(path: Path) -> bool:
    """Remove a file that nobody has open; on a file system without locks, any file: readers keep what they opened."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        if is_free := _is_free(descriptor):
            path.unlink(missing_ok=True)  # under the lock: whoever locks the file next looks whether it is still there
    except PermissionError:
        return False
    finally:
        os.close(descriptor)
    return is_free


def _is_free(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks here
    return True
