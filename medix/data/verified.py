"""Shards whose checksum was found right, remembered over processes, so that no file is hashed twice."""

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

import filelock

SETTLED_SECONDS = 2.0
"""A file that was modified so shortly before it was hashed may change again without another modification time."""

SMALL_BYTES = 1 << 20
"""Smaller files are remembered in the process alone: to hash one takes about a millisecond."""


class VerifiedFiles:
    """Stamps of files whose SHA-256 was computed: path, size, modification time, inode and checksum.

    A file is trusted, that is not hashed again, if all five are equal. It is not trusted if it was modified within
    ``SETTLED_SECONDS`` before it was hashed, and never by ``medix shards verify``. A program that changes a file and
    sets its size and modification time back is not noticed; to have every file hashed again, delete the file of stamps.

    Processes append lines to one file; a line is written at once. Where it cannot be written, the process remembers
    what it has hashed itself.

    Args:
        path: the file of stamps, one JSON list a line; need not exist. None trusts no other process.
        small: files of fewer bytes get no line.
    """

    def __init__(self, path: Path | None = None, small: int = SMALL_BYTES) -> None:
        self.path = path
        self.small = small
        self._stamps: set[str] = set()
        self._read = 0

    def check(self, path: Path, descriptor: int, sha256: str) -> str:
        """The checksum of an open file, which is computed if no stamp says that it is the expected one.

        Several processes that need the same file wait for the one that hashes it.

        Args:
            path: of the file.
            descriptor: of the file; is at its beginning afterwards if it was before.
            sha256: expected checksum.
        """
        stamp = _stamp(path, os.fstat(descriptor), sha256)
        if self._holds(stamp):
            return sha256
        with self._locked(sha256):
            if self._holds(stamp):
                return sha256
            began = time.time()
            with os.fdopen(os.dup(descriptor), "rb") as stream:
                stream.seek(0)
                found = hashlib.file_digest(stream, "sha256").hexdigest()
                stream.seek(0)  # of the descriptor too, which shares the position
            if found == sha256 and _stamp(path, os.fstat(descriptor), sha256) == stamp:
                is_settled = os.fstat(descriptor).st_mtime < began - SETTLED_SECONDS
                self._add(stamp, is_settled and os.fstat(descriptor).st_size >= self.small)
        return found

    @contextmanager
    def _locked(self, sha256: str) -> Iterator[None]:
        """Hold one of 256 lock files beside the stamps; on a file system without locks, none.

        Not the lock of the shard itself, which its readers share: whoever wanted it alone would wait for them, and
        would give up what it shares.
        """
        lock = None
        if self.path is not None:
            with suppress(OSError, NotImplementedError):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                lock = filelock.FileLock(self.path.with_name(f"verify-{sha256[:2]}.lock"))
                lock.acquire()
        try:
            yield
        finally:
            if lock is not None:
                lock.release()

    def add(self, path: Path, sha256: str) -> None:
        """Remember a file that this process has written, and hashed while it did."""
        self._add(_stamp(path, os.stat(path), sha256), True)

    def _holds(self, stamp: str) -> bool:
        if stamp not in self._stamps:
            self._read_new()
        return stamp in self._stamps

    def _read_new(self) -> None:
        """Read what processes have appended since the file was last read."""
        if self.path is None:
            return
        try:
            size = self.path.stat().st_size
            if size == self._read:
                return
            with open(self.path, "rb") as file:
                file.seek(self._read if size > self._read else 0)  # a shorter file is another one
                text = file.read()
        except OSError:
            return  # there is none
        whole = text[: text.rfind(b"\n") + 1]
        self._read = (self._read if size > self._read else 0) + len(whole)
        self._stamps.update(whole.decode("utf-8", "replace").splitlines())

    def _add(self, stamp: str, is_kept: bool) -> None:
        self._stamps.add(stamp)
        if not is_kept or self.path is None:
            return
        with suppress(OSError):  # a folder that cannot be written to
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(descriptor, f"{stamp}\n".encode())
            finally:
                os.close(descriptor)


@cache
def verified_files(path: Path) -> VerifiedFiles:
    """The stamps of a file, read once by this process."""
    return VerifiedFiles(path)


def _stamp(path: Path, status: os.stat_result, sha256: str) -> str:
    # ASCII: JSON escapes the surrogates of names that are no UTF-8, and line separators
    return json.dumps([str(path.resolve()), status.st_size, status.st_mtime_ns, status.st_ino, sha256])
