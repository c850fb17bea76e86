"""Downloads that failed, known to all processes that share a cache."""

import hashlib
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from medix.data.download import DownloadError
from medix.data.manifest import ShardEntry
from medix.files.atomic_file import write_atomically

HONOURED_SECONDS = 600.0
"""How long a download that failed is not tried again by any process: it may be a server that is down."""

_ATTEMPTS_AFTER_ANOTHER = 2
"""How often other files of a server are tried that answered with an error: it costs little, and the fault may be that
of one file. The first of them that comes restores the usual number."""


class _Note(NamedTuple):
    """A download that failed: when, by which fault, and whether it is not tried again."""

    when: float
    fault: str
    is_final: bool


class FailedDownloads:
    """Files ``<checksum>.failed`` in the folder of a cache, each with the time and the fault of a failed download.

    Without them, every rank and every worker would wait for a server that is down, one after the other and shard by
    shard. A server that did not answer has a file too, under the checksum of its address: none of its shards is
    requested. One that answered, but with errors or with a part of the file, has a file by which its other shards are
    tried less often, because they may be whole. What failed before this object was made is tried again, so that a run
    that is started anew does not end by the faults of the one before.

    Args:
        folder: of the cache.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._began = time.time()

    def check(self, entry: ShardEntry) -> None:
        """Refuse a download that has failed of late.

        Raises:
            DownloadError: with the fault, and how long ago it was.
        """
        for note in map(self._note, self._paths(entry)):
            if note is not None and note.is_final:
                ago = abs(time.time() - note.when)
                raise DownloadError(
                    f"{note.fault}; {ago:.0f} s ago, and is not tried again for {HONOURED_SECONDS:.0f} s"
                )

    def attempts(self, entry: ShardEntry, most: int) -> int:
        """How often a download is tried: ``most`` times, or less where another one of the server has failed."""
        _, server = self._paths(entry)
        return most if self._note(server) is None else min(most, _ATTEMPTS_AFTER_ANOTHER)

    def add(self, entry: ShardEntry, error: DownloadError) -> None:
        """Note that a download failed."""
        shard, server = self._paths(entry)
        with suppress(OSError):  # a full disk: the others try it themselves
            if error.server != "silent":
                write_atomically(shard, json.dumps(_Note(time.time(), str(error), True)))
            if error.server != "answers":
                write_atomically(server, json.dumps(_Note(time.time(), str(error), error.server == "silent")))

    def forget(self, entry: ShardEntry) -> None:
        """Note that a download succeeded."""
        for path in self._paths(entry):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _note(self, path: Path) -> _Note | None:
        """What a file notes; None if there is none of late."""
        try:
            note = _Note(*json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        is_late = note.when < self._began or abs(time.time() - note.when) >= HONOURED_SECONDS
        return None if is_late else note

    def _paths(self, entry: ShardEntry) -> tuple[Path, Path]:
        """The files of a shard and of its server."""
        server = hashlib.sha256(server_of(entry.url).encode()).hexdigest()
        return self.folder / f"{entry.sha256}.failed", self.folder / f"{server}.failed"


def server_of(url: str) -> str:
    """What a remote shard is requested from: a server, or a bucket; without the user and password of the address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
