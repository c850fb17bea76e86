"""Writes samples as shards: tar files in WebDataset's layout."""

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from medix.data.index import IndexRow
from medix.data.manifest import ShardEntry
from medix.data.record import encode
from medix.modality import TEXT_ONLY
from medix.types import Sample


class FinishedShard(NamedTuple):
    """A shard that is complete.

    Attributes:
        entry: its entry in the manifest; ``url`` is the name of the file.
        rows: its samples, for the index.
    """

    entry: ShardEntry
    rows: tuple[IndexRow, ...]


@dataclass
class ShardWriter:
    """Writes the samples of one modality as shards into a folder.

    The same samples in the same order give identical files.

    Args:
        folder: existing folder to write to.
        name: name of the data set, the beginning of every file name.
        modality: modality of every sample, or ``TEXT_ONLY``.
        samples_per_shard: number of samples after which a new shard is started.
        bytes_per_shard: bytes of images and texts after which a new shard is started.
        finished: shards that are complete, those of an earlier process included; the next one is numbered after them.
    """

    folder: Path
    name: str
    modality: str
    samples_per_shard: int = 1000
    bytes_per_shard: int = 1 << 30
    finished: list[FinishedShard] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.samples_per_shard < 1:
            raise ValueError(f"samples_per_shard: {self.samples_per_shard}; give 1 or more")
        self._pending: list[IndexRow] = []
        self._payload = 0
        self._stream: Any = None
        self._tar: Any = None

    def write(self, sample: Sample) -> FinishedShard | None:
        """Add one sample; returns the shard if it is the last one of it."""
        if (sample.modality or TEXT_ONLY) != self.modality:
            raise ValueError(
                f"sample {sample.id!r} is {sample.modality}, but the shard {self.modality}; use a writer per modality"
            )
        if self._tar is None:
            self._stream = open(self._path, "wb")  # noqa: SIM115  (closed when the shard is full)
            import webdataset  # imports torch, which reading shards does not need

            # USTAR with fixed owner, mode and time: the bytes depend only on the samples.
            self._tar = webdataset.TarWriter(self._stream, user="medix", group="medix", mtime=0, encoder=False)
        ordinal = sum(len(shard.rows) for shard in self.finished) + len(self._pending)
        self._payload += self._tar.write(encode(sample, ordinal))
        self._pending.append(IndexRow.of(sample))
        is_full = len(self._pending) >= self.samples_per_shard or self._payload >= self.bytes_per_shard
        return self._finish() if is_full else None

    def close(self) -> FinishedShard | None:
        """Finish the last shard; None if there is none open."""
        return self._finish() if self._tar is not None else None

    def abandon(self) -> None:
        """Close the file of a shard that is not finished."""
        if self._tar is not None:
            with suppress(OSError, ValueError):  # the disk may be full
                self._tar.close()
            with suppress(OSError):
                self._stream.close()
            self._tar = self._stream = None

    @property
    def _path(self) -> Path:
        return self.folder / f"{self.name}-{self.modality.lower()}-{len(self.finished):06d}.tar"

    def _finish(self) -> FinishedShard:
        self._tar.close()
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._stream.close()
        with open(self._path, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        entry = ShardEntry(self._path.name, digest, self._path.stat().st_size, len(self._pending))
        self.finished.append(FinishedShard(entry, tuple(self._pending)))
        self._tar = self._stream = None
        self._pending, self._payload = [], 0
        return self.finished[-1]
