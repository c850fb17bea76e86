"""Downloads that failed, known to all processes that share a cache."""

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from medix.atomic_file import write_atomically
from medix.data.download import DownloadError
from medix.data.manifest import ShardEntry

HONOURED_SECONDS = 600.0
"""How long a download that failed is not tried again by any process: it may be a server that is down."""


class FailedDownloads:
    """Files ``<checksum>.failed`` in the folder of a cache, each with the time and the fault of a failed download.

    Without them, every rank and every worker would wait for a server that is down, one after the other and shard by
    shard. A server that did not answer has a file too, under the checksum of its address: none of its shards is
    requested. What failed before this object was made is tried again, so that a run that is started anew does not end
    by the faults of the one before.

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
        for path in self._paths(entry):
            try:
                when, fault = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue  # there is none
            if when >= self._began and (ago := abs(time.time() - when)) < HONOURED_SECONDS:
                raise DownloadError(f"{fault}; {ago:.0f} s ago, and is not tried again for {HONOURED_SECONDS:.0f} s")

    def add(self, entry: ShardEntry, error: DownloadError) -> None:
        """Note that a download failed."""
        shard, server = self._paths(entry)
        text = json.dumps([time.time(), str(error)])
        with suppress(OSError):  # a full disk: the others try it themselves
            write_atomically(server if error.is_of_server else shard, text)

    def forget(self, entry: ShardEntry) -> None:
        """Note that a download succeeded."""
        for path in self._paths(entry):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _paths(self, entry: ShardEntry) -> Iterator[Path]:
        """The files of a shard and of its server."""
        for name in (entry.sha256, hashlib.sha256(server_of(entry.url).encode()).hexdigest()):
            yield self.folder / f"{name}.failed"


def server_of(url: str) -> str:
    """What a remote shard is requested from: a server, or a bucket."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
