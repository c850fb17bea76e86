"""The index rows of the samples of a split, from the indexes of its manifests or from its shards."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medix.data.index import IndexRow, ManifestIndex
from medix.data.manifest import Manifest, ManifestError
from medix.data.shards import Shard, ShardError
from medix.data.stream import Stream
from medix.types import SampleKey

MAX_READ_BYTES = 1 << 30
"""Bytes of local shards without an index that are read in order to compare their samples."""


class SplitRow(NamedTuple):
    """One sample of a split.

    Attributes:
        manifest: that lists its shard.
        row: what the index holds of it.
    """

    manifest: Manifest
    row: IndexRow

    @property
    def key(self) -> SampleKey:
        """Identity of the sample."""
        return self.manifest.dataset, self.row.id


class RowReader:
    """Reads the rows of splits by the indexes of their manifests, and shards without an index once.

    Nothing is downloaded: a remote shard without an index is read only if it was fetched before.

    Args:
        max_read_bytes: bytes of local shards without an index that are read.
    """

    def __init__(self, max_read_bytes: int = MAX_READ_BYTES) -> None:
        self.missing: dict[str, tuple[str, ...]] = {}
        """By split, the shards whose rows are not known, and why; empty if all are."""
        self._remaining_bytes = max_read_bytes
        self._read: dict[str, tuple[IndexRow, ...]] = {}

    def rows(self, split: str, stream: Stream) -> Iterator[SplitRow]:
        """Every sample that takes part; what cannot be read is noted in ``missing``."""
        for shard, ordinals, rows in self.of_shards(split, stream):
            for ordinal in dict.fromkeys(ordinals.tolist() if rows else ()):
                yield SplitRow(shard.manifest, rows[ordinal])

    def of_shards(self, split: str, stream: Stream) -> Iterator[tuple[Shard, NDArray[np.intp], tuple[IndexRow, ...]]]:
        """Each shard with the ordinals that take part and all of its rows.

        The rows are empty where nothing of the shard takes part, or where they cannot be read, which ``missing`` notes.
        """
        absent: Counter[str] = Counter()
        indexes: dict[str, ManifestIndex | ManifestError] = {}
        for shard, ordinals in zip(stream.shards.shards, stream.selected, strict=True):
            rows: tuple[IndexRow, ...] = ()
            if len(ordinals):
                path = str(shard.manifest.path)
                if path not in indexes:
                    indexes = {path: _index_of(shard)}  # one at a time: shards of a manifest stand together
                try:
                    rows = self._shard_rows(shard, indexes[path])
                except (ManifestError, ShardError, _NotReadError) as error:
                    absent[str(error)] += 1
            yield shard, ordinals, rows
        self.missing[split] = tuple(f"{count:,} shards of data.{split}: {why}" for why, count in absent.items())

    def _shard_rows(self, shard: Shard, index: ManifestIndex | ManifestError) -> tuple[IndexRow, ...]:
        if isinstance(index, ManifestError):
            raise index
        if (rows := index.rows(shard.entry)) is not None:
            return rows
        if (known := self._read.get(shard.entry.sha256)) is not None:
            return known
        remedy = f"`python -m medix shards index {shard.manifest.path}` writes it"
        if not shard.is_local:
            raise _NotReadError(f"remote, without an index, and not downloaded for this; {remedy}")
        if shard.entry.bytes > self._remaining_bytes:
            raise _NotReadError(f"without an index, and too large to be read for this; {remedy}")
        self._remaining_bytes -= shard.entry.bytes
        self._read[shard.entry.sha256] = rows = read_rows(shard)
        return rows


class _NotReadError(Exception):
    """Why a shard is not read."""


def _index_of(shard: Shard) -> ManifestIndex | ManifestError:
    try:
        return ManifestIndex(shard.manifest)
    except ManifestError as error:
        return error  # raised, and counted, for every shard of the manifest


def read_rows(shard: Shard) -> tuple[IndexRow, ...]:
    """The rows of a shard, from its samples.

    Raises:
        ShardError: the shard is not what its manifest says.
    """
    was_open = shard.is_open
    try:
        return tuple(IndexRow.of(sample) for sample in shard)
    finally:
        if not was_open:
            shard.close()


def rows_of_repeated_ids(read: Callable[[], Iterable[SplitRow]]) -> list[SplitRow]:
    """The rows whose id another row of their data set has too, in little memory: those of other ids are not kept.

    Args:
        read: gives all rows, and is called again if an id seems to repeat.
    """
    hashes = np.fromiter((hash(row.key) for row in read()), dtype=np.int64)
    hashes.sort()
    repeated = set(hashes[1:][hashes[1:] == hashes[:-1]].tolist())
    return [row for row in read() if hash(row.key) in repeated] if repeated else []


class RepeatedIds:
    """Ids that stand for several samples of one data set within a split.

    Two samples of one id differ if their images, question or reference differ, as the completions of a validation do
    (``medix.reporting.record.unique``). References are compared where the index has them.

    Args:
        rows: of the split.
    """

    def __init__(self, rows: Iterable[SplitRow]) -> None:
        found: dict[SampleKey, list[IndexRow]] = {}
        for entry in rows:
            found.setdefault(entry.key, []).append(entry.row)
        several = {key: of_id for key, of_id in found.items() if len(of_id) > 1}
        self.differing = _names(key for key, of_id in several.items() if _differ(of_id))
        """Names of those whose samples differ."""
        self.unknown = _names(
            key for key, of_id in several.items() if not _differ(of_id) and any(not row.reference for row in of_id)
        )
        """Names of those whose samples may differ: an index does not hold their references."""

    def conflicts(self, split: str) -> str:
        """Which ids are used by different samples; empty if none does."""
        if not self.differing:
            return ""
        return (
            f"data.{split}: {len(self.differing):,} ids are used by different samples of one data set "
            f"({_listed(self.differing)}); give the manifests that they come from different values of `dataset`"
        )

    def not_compared(self, split: str) -> str:
        """Which ids may be used by different samples; empty if none may."""
        if not self.unknown:
            return ""
        return (
            f"data.{split}: {len(self.unknown):,} ids occur more than once ({_listed(self.unknown)}), and an index "
            "does not hold their references, so that it is not known whether each is one sample; write it again with "
            "`python -m medix shards index MANIFEST`"
        )


def _differ(rows: Sequence[IndexRow]) -> bool:
    return len({(row.images, row.question) for row in rows}) > 1 or len({row.reference for row in rows} - {""}) > 1


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def _names(keys: Iterable[SampleKey]) -> tuple[str, ...]:
    return tuple(f"{dataset}: {name}" for dataset, name in keys)
