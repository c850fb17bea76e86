"""Whether splits share samples, cases, images or text-only questions."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field

from medix.data.index import IndexRow, ManifestIndex
from medix.data.manifest import ManifestError
from medix.data.shards import Shard, ShardError
from medix.data.stream import Stream
from medix.types import SampleKey

KINDS = ("samples", "cases", "images", "text-only questions")
"""What two splits may share. Samples and cases are identified by name within a data set, the others by content."""

MAX_READ_BYTES = 1 << 30
"""Maximum size of local shards without an index that are read for the comparison."""

_PAIRS = (("train", "val"), ("train", "test"), ("val", "test"))
_WORDS = {"train": "training", "val": "validation", "test": "test"}
_MAX_NAMES = 3


@dataclass(frozen=True)
class Shared:
    """Overlap of two splits for one kind, such as cases.

    Attributes:
        count: number of distinct values of the second split that are also in the first.
        total: number of distinct values of the second split.
        names: the first few shared values; hashes for images and questions.
    """

    count: int
    total: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Overlap:
    """Overlap of two splits.

    Attributes:
        first: ``train`` or ``val``.
        second: ``val`` or ``test``.
        affected: number of samples of the second split that share their identity, case, question (text-only) or an
            image with the first.
        samples: number of samples of the second split that were compared.
        shared: overlap by kind.
        missing: what was not compared, and why; empty if everything was compared.
        same_names: names of cases (of samples, where cases are unknown) of the second split that occur in the first
            under another data set, so that they count as different cases.
    """

    first: str
    second: str
    affected: int = 0
    samples: int = 0
    shared: Mapping[str, Shared] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    same_names: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """Name of the second split in tables: ``held out`` only if all of it was compared and nothing is shared."""
        second, first = _WORDS[self.second], _WORDS[self.first]
        if self.affected:
            return f"{second} (overlaps {first}: {self.affected:,} of {self.samples:,} samples)"
        return f"{second} (not fully compared with {first})" if self.missing else "held out"

    def overlap_message(self) -> str:
        """Message with what is shared, by kind; empty if nothing is shared."""
        if not self.affected:
            return ""
        parts = [
            f"{one.count:,} of {one.total:,} {kind} ({', '.join(one.names)}{', …' if one.count > _MAX_NAMES else ''})"
            for kind, one in self.shared.items()
            if one.count
        ]
        return (
            f"data.{self.second} overlaps data.{self.first}: {self.affected:,} of {self.samples:,} samples; shared: "
            + "; ".join(parts)
        )

    def missing_message(self) -> str:
        """Message with what was not compared, and why; empty if everything was compared."""
        if not self.missing:
            return ""
        return f"data.{self.second} was not fully compared with data.{self.first}: {'; '.join(self.missing)}"

    def same_names_message(self) -> str:
        """Message with the names that occur in both splits under different data sets; empty if there are none."""
        if not self.same_names:
            return ""
        names = f"{', '.join(self.same_names[:_MAX_NAMES])}{', …' if len(self.same_names) > _MAX_NAMES else ''}"
        return (
            f"data.{self.second} and data.{self.first} have {len(self.same_names):,} names of cases or samples in "
            f"common ({names}), in different data sets, so that they count as different. If the splits belong to one "
            "collection, give their manifests the same `dataset` (shards build --dataset)"
        )


class SplitOverlaps:
    """Compares the splits of a run using the indexes of their manifests; shards without an index are read.

    Nothing is downloaded: a remote shard without an index is compared only if it is already in the cache.

    Args:
        streams: the existing splits among ``train``, ``val`` and ``test``; only samples that are used are compared.
        unread: splits that could not be read, and why.
        max_read_bytes: maximum size of local shards without an index that are read.
    """

    def __init__(
        self,
        streams: Mapping[str, Stream],
        unread: Mapping[str, str] | None = None,
        max_read_bytes: int = MAX_READ_BYTES,
    ) -> None:
        self.streams = streams
        self.unread = dict(unread or {})
        self.missing: dict[str, tuple[str, ...]] = {}
        self.repeated: dict[str, tuple[str, ...]] = {}
        """By split, ids shared by different samples of one data set; only for ``val`` and ``test``."""
        self._remaining_bytes = max_read_bytes
        self.pairs = tuple(self._compare())

    def of(self, split: str) -> Overlap | None:
        """Overlap of a split with the training data; None if either does not exist."""
        return next((pair for pair in self.pairs if pair.second == split and pair.first == "train"), None)

    def messages(self) -> list[str]:
        """Warnings to log before a run, one line each; empty if everything was compared and nothing is shared."""
        lines = [
            f"data.{split}: {len(names):,} ids are used by different samples of one data set "
            f"({', '.join(names[:_MAX_NAMES])}{', …' if len(names) > _MAX_NAMES else ''}); give their manifests "
            "different values of `dataset`"
            for split, names in self.repeated.items()
        ]
        for pair in self.pairs:
            lines += filter(None, (pair.overlap_message(), pair.missing_message(), pair.same_names_message()))
        return lines

    def _compare(self) -> Iterator[Overlap]:
        indexed = {split: _SplitIndex() for split in ("val", "test") if split in self.streams}
        for split, split_index in indexed.items():
            for dataset, row in self._rows(split):
                split_index.add(dataset, row)
            if conflicts := split_index.conflicts():
                self.repeated[split] = conflicts
        matches: dict[tuple[str, str], _Matches] = {
            pair: _Matches(indexed[pair[1]]) for pair in _PAIRS if pair[0] in self.streams and pair[1] in indexed
        }
        if "train" in self.streams and indexed:
            for dataset, row in self._rows("train"):
                for split in indexed:
                    matches["train", split].add(dataset, row)
        if ("val", "test") in matches:
            for dataset, row in self._rows("val"):
                matches["val", "test"].add(dataset, row)
        for first, second in _PAIRS:
            if (first, second) in matches:
                missing = (*self.missing.get(first, ()), *self.missing.get(second, ()))
                yield matches[first, second].overlap(first, second, missing)
            elif (first in self.unread or second in self.unread) and {first, second} <= {*self.unread, *self.streams}:
                reasons = (self.unread[split] for split in (first, second) if split in self.unread)
                yield Overlap(first, second, missing=tuple(reasons))

    def _rows(self, split: str) -> Iterator[tuple[str, IndexRow]]:
        """Data set and row of every sample that is used; shards that cannot be read are noted in ``missing``."""
        stream = self.streams[split]
        absent: Counter[str] = Counter()
        indexes: dict[str, ManifestIndex | ManifestError] = {}
        for shard, ordinals in zip(stream.shards.shards, stream.selected, strict=True):
            if not ordinals:
                continue
            path = str(shard.manifest.path)
            if path not in indexes:
                indexes = {path: _index_of(shard)}  # one at a time: the shards of a manifest are contiguous
            try:
                rows = self._shard_rows(shard, indexes[path])
            except (ManifestError, ShardError, _NotReadError) as error:
                absent[str(error)] += 1
                continue
            for ordinal in dict.fromkeys(ordinals):
                yield shard.manifest.dataset, rows[ordinal]
        self.missing[split] = tuple(f"{count:,} shards of data.{split}: {reason}" for reason, count in absent.items())

    def _shard_rows(self, shard: Shard, index: "ManifestIndex | ManifestError") -> tuple[IndexRow, ...]:
        if isinstance(index, ManifestError):
            raise index
        if (rows := index.rows(shard.entry)) is not None:
            return rows
        remedy = f"`python -m medix shards index {shard.manifest.path}` writes it"
        if not shard.is_local:
            raise _NotReadError(f"remote, without an index, and not in the cache; {remedy}")
        if shard.entry.bytes > self._remaining_bytes:
            raise _NotReadError(f"without an index, and too large to be read for the comparison; {remedy}")
        self._remaining_bytes -= shard.entry.bytes
        return read_rows(shard)


class _NotReadError(Exception):
    """Why a shard is not read."""


def _index_of(shard: Shard) -> ManifestIndex | ManifestError:
    try:
        return ManifestIndex(shard.manifest)
    except ManifestError as error:
        return error  # raised and counted for every shard of the manifest


def read_rows(shard: Shard) -> tuple[IndexRow, ...]:
    """The index rows of a shard, read from its samples.

    Raises:
        ShardError: the shard does not match its manifest.
    """
    was_open = shard.is_open
    try:
        return tuple(IndexRow.of(sample) for sample in shard)
    finally:
        if not was_open:
            shard.close()


def _identifiers(dataset: str, row: IndexRow) -> Iterator[tuple[str, Hashable]]:
    """Kind and value of everything that identifies a sample in another split."""
    yield "samples", (dataset, row.id)
    if row.case:
        yield "cases", (dataset, row.case)
    for image in row.images:
        yield "images", image
    if not row.images:
        yield "text-only questions", row.question


class _SplitIndex:
    """The samples of an evaluated split, indexed by everything that they may share with another split."""

    def __init__(self) -> None:
        self.count = 0
        self.datasets: dict[str, set[str]] = {}
        """Data sets by name of a case, or of a sample without a case."""
        self.samples_by_value: dict[str, dict[Hashable, list[int]]] = {kind: {} for kind in KINDS}
        self._contents: dict[SampleKey, set[int]] = {}

    def add(self, dataset: str, row: IndexRow) -> None:
        self.datasets.setdefault(row.case or row.id, set()).add(dataset)
        for kind, value in _identifiers(dataset, row):
            self.samples_by_value[kind].setdefault(value, []).append(self.count)
        self._contents.setdefault((dataset, row.id), set()).add(hash((row.images, row.question)))
        self.count += 1

    def conflicts(self) -> tuple[str, ...]:
        return tuple(f"{dataset}: {name}" for (dataset, name), found in self._contents.items() if len(found) > 1)


class _Matches:
    """Values of an indexed split that also occur in another split."""

    def __init__(self, index: _SplitIndex) -> None:
        self.index = index
        self.values: dict[str, dict[Hashable, None]] = {kind: {} for kind in KINDS}
        self.same_names: dict[str, None] = {}

    def add(self, dataset: str, row: IndexRow) -> None:
        """Record what a sample of the other split shares with the indexed one."""
        name = row.case or row.id
        if dataset not in self.index.datasets.get(name, {dataset}):
            self.same_names[name] = None
        for kind, value in _identifiers(dataset, row):
            if value in self.index.samples_by_value[kind]:
                self.values[kind][value] = None

    def overlap(self, first: str, second: str, missing: tuple[str, ...]) -> Overlap:
        samples = self.index.samples_by_value
        affected = {
            number for kind, values in self.values.items() for value in values for number in samples[kind][value]
        }
        return Overlap(
            first,
            second,
            len(affected),
            self.index.count,
            {kind: Shared(len(values), len(samples[kind]), _names(values)) for kind, values in self.values.items()},
            missing,
            tuple(self.same_names),
        )


def _names(values: Mapping[Hashable, None]) -> tuple[str, ...]:
    shown = list(values)[:_MAX_NAMES]
    return tuple(f"{value[0]}: {value[1]}" if isinstance(value, tuple) else str(value) for value in shown)
