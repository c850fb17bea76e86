"""Download of remote shards before they are needed."""

import itertools
import logging
import threading
from collections.abc import Iterator, Sequence

from medix.data.selectors.selector import Selector
from medix.data.shards import Shard
from medix.data.stream import Stream

_LOG = logging.getLogger(__name__)


class ReadAhead:
    """Downloads the remote shards that later draws read, in a thread, while batches are trained on.

    Every rank does so; ranks that share a cache wait for each other's downloads. No more is fetched than the cache
    holds at once, beside the shards that are open, and shards that are there already are kept longer than those that
    no draw needs. A failed download is left to the draw that needs the shard.

    Args:
        stream: what is drawn from.
        selector: says which shards come next.
        shards: number of shards beyond those that are kept open.
    """

    def __init__(self, stream: Stream, selector: Selector, shards: int) -> None:
        self.stream = stream
        self.selector = selector
        self.count = shards
        self._wanted: list[Shard] = []
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def look(self, index: int) -> None:
        """Start to download what draws from ``index`` on need; returns at once."""
        if not self.count:
            return
        wanted = list(self._missing(index))
        with self._lock:
            self._wanted = wanted
            if wanted and self._thread is None:
                self._thread = threading.Thread(target=self._fetch, name="medix-read-ahead", daemon=True)
                self._thread.start()

    def wait(self) -> None:
        """Wait until nothing is left to download."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _missing(self, index: int) -> Iterator[Shard]:
        shards: Sequence[Shard] = self.stream.shards.shards
        limit = self.stream.shards.cache.limit
        room = limit if limit is not None else float("inf")
        numbers = dict.fromkeys(itertools.islice(self.selector.shards_from(index), 4 * len(shards)))
        for number in itertools.islice(numbers, self.stream.shards.limit - 1 + self.count):
            shard = shards[number]
            if not shard.entry.is_remote:
                continue
            room -= shard.entry.bytes
            if room < 0:
                return
            if shard.is_local:
                shard.cache.touch(shard.entry)
            else:
                yield shard

    def _fetch(self) -> None:
        while True:
            with self._lock:
                if not self._wanted:
                    self._thread = None
                    return
                shard = self._wanted.pop(0)
            try:
                shard.cache.fetch(shard.entry, is_early=True)
            except OSError as error:
                _LOG.info("%s was not downloaded ahead: %s", shard.entry.shown, error)
