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
"""What two splits may share. Samples and cases have names within their data set; the others are compared by content."""

READ_AT_MOST = 1 << 30
"""Bytes of local shards without an index that are read in order to compare them."""

_PAIRS = (("train", "val"), ("train", "test"), ("val", "test"))
_WORDS = {"train": "training", "val": "validation", "test": "test"}
_NAMED = 3


@dataclass(frozen=True)
class Shared:
    """What two splits have in common of one kind.

    Attributes:
        count: how many of the second split's are also in the first.
        total: how many the second split has.
        names: the first few of them; hashes for images and questions.
    """

    count: int
    total: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Overlap:
    """What two splits have in common.

    Attributes:
        first: ``train`` or ``val``.
        second: ``val`` or ``test``.
        touched: samples of the second that share their identity, case, question (text-only) or an image with the first.
        samples: samples of the second that were compared.
        shared: by kind.
        missing: what was not compared, and why; empty if everything was.
        alike: names of cases (of samples, where cases are unknown) of the second that occur in the first under another
            data set, which makes them different cases.
    """

    first: str
    second: str
    touched: int = 0
    samples: int = 0
    shared: Mapping[str, Shared] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What tables call the second split: ``held out`` only if all of it was compared and nothing is shared."""
        second, first = _WORDS[self.second], _WORDS[self.first]
        if self.touched:
            return f"{second} (overlaps {first}: {self.touched:,} of {self.samples:,} samples)"
        return f"{second} (not fully compared with {first})" if self.missing else "held out"

    def found(self) -> str:
        """What is shared, by kind, with names; empty if nothing is."""
        if not self.touched:
            return ""
        parts = [
            f"{one.count:,} of {one.total:,} {kind} ({', '.join(one.names)}{', …' if one.count > _NAMED else ''})"
            for kind, one in self.shared.items()
            if one.count
        ]
        return (
            f"data.{self.second} overlaps data.{self.first}: {self.touched:,} of {self.samples:,} samples; shared: "
            + "; ".join(parts)
        )

    def not_compared(self) -> str:
        """What was not compared, and why; empty if everything was."""
        if not self.missing:
            return ""
        return f"data.{self.second} was not fully compared with data.{self.first}: {'; '.join(self.missing)}"

    def namesakes(self) -> str:
        """Which names occur in both, but under different data sets; empty if none does."""
        if not self.alike:
            return ""
        names = f"{', '.join(self.alike[:_NAMED])}{', …' if len(self.alike) > _NAMED else ''}"
        return (
            f"data.{self.second} and data.{self.first} have {len(self.alike):,} names of cases or samples in common "
            f"({names}), in different data sets, so that they count as different. If the splits are of one collection, "
            "give their manifests the same `dataset` (shards build --dataset)"
        )


class SplitOverlaps:
    """Compares the splits of a run by the indexes of their manifests, and shards without an index by reading them.

    Nothing is downloaded: a remote shard without an index is compared only if it was fetched before.

    Args:
        streams: ``train``, ``val`` and ``test``, those that there are; only samples that take part are compared.
        unread: splits that could not be read, and why.
        read_at_most: bytes of local shards without an index that are read.
    """

    def __init__(
        self,
        streams: Mapping[str, Stream],
        unread: Mapping[str, str] | None = None,
        read_at_most: int = READ_AT_MOST,
    ) -> None:
        self.streams = streams
        self.unread = dict(unread or {})
        self.missing: dict[str, tuple[str, ...]] = {}
        self.repeated: dict[str, tuple[str, ...]] = {}
        """By split, ids that stand for different samples of one data set; ``val`` and ``test`` only."""
        self._left = read_at_most
        self.pairs = tuple(self._compare())

    def of(self, split: str) -> Overlap | None:
        """How a split overlaps the training data; None if either is not there."""
        return next((pair for pair in self.pairs if pair.second == split and pair.first == "train"), None)

    def messages(self) -> list[str]:
        """One line for everything that a user should know before a run; empty if the splits share nothing."""
        lines = [
            f"data.{split}: {len(names):,} ids stand for different samples of one data set ({', '.join(names[:_NAMED])}"
            f"{', …' if len(names) > _NAMED else ''}); give their manifests different values of `dataset`"
            for split, names in self.repeated.items()
        ]
        for pair in self.pairs:
            lines += filter(None, (pair.found(), pair.not_compared(), pair.namesakes()))
        return lines

    def _compare(self) -> Iterator[Overlap]:
        members = {split: _Members() for split in ("val", "test") if split in self.streams}
        for split, of_split in members.items():
            for dataset, row in self._rows(split):
                of_split.add(dataset, row)
            if conflicts := of_split.conflicts():
                self.repeated[split] = conflicts
        hits: dict[tuple[str, str], _Hits] = {
            pair: _Hits(members[pair[1]]) for pair in _PAIRS if pair[0] in self.streams and pair[1] in members
        }
        if "train" in self.streams and members:
            for dataset, row in self._rows("train"):
                for split in members:
                    hits["train", split].look(dataset, row)
        if ("val", "test") in hits:
            for dataset, row in self._rows("val"):
                hits["val", "test"].look(dataset, row)
        for first, second in _PAIRS:
            if (first, second) in hits:
                missing = (*self.missing.get(first, ()), *self.missing.get(second, ()))
                yield hits[first, second].overlap(first, second, missing)
            elif (first in self.unread or second in self.unread) and {first, second} <= {*self.unread, *self.streams}:
                reasons = (self.unread[split] for split in (first, second) if split in self.unread)
                yield Overlap(first, second, missing=tuple(reasons))

    def _rows(self, split: str) -> Iterator[tuple[str, IndexRow]]:
        """Data set and row of every sample that takes part; what cannot be read is noted in ``missing``."""
        stream = self.streams[split]
        absent: Counter[str] = Counter()
        indexes: dict[str, ManifestIndex | ManifestError] = {}
        for shard, ordinals in zip(stream.shards.shards, stream.selected, strict=True):
            if not ordinals:
                continue
            path = str(shard.manifest.path)
            if path not in indexes:
                indexes = {path: _index_of(shard)}  # one at a time: shards of a manifest stand together
            try:
                rows = self._shard_rows(shard, indexes[path])
            except (ManifestError, ShardError, _NotReadError) as error:
                absent[str(error)] += 1
                continue
            for ordinal in dict.fromkeys(ordinals):
                yield shard.manifest.dataset, rows[ordinal]
        self.missing[split] = tuple(f"{count:,} shards of data.{split}: {why}" for why, count in absent.items())

    def _shard_rows(self, shard: Shard, index: "ManifestIndex | ManifestError") -> tuple[IndexRow, ...]:
        if isinstance(index, ManifestError):
            raise index
        if (rows := index.rows(shard.entry)) is not None:
            return rows
        remedy = f"`python -m medix shards index {shard.manifest.path}` writes it"
        if not shard.is_here:
            raise _NotReadError(f"remote, without an index, and not downloaded for this; {remedy}")
        if shard.entry.bytes > self._left:
            raise _NotReadError(f"without an index, and too large to be read for this; {remedy}")
        self._left -= shard.entry.bytes
        return read_rows(shard)


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


def _marks(dataset: str, row: IndexRow) -> Iterator[tuple[str, Hashable]]:
    """Kind and value of everything by which a sample can be recognised in another split."""
    yield "samples", (dataset, row.id)
    if row.case:
        yield "cases", (dataset, row.case)
    for image in row.images:
        yield "images", image
    if not row.images:
        yield "text-only questions", row.question


class _Members:
    """The samples of an evaluated split, by everything that they may share with another."""

    def __init__(self) -> None:
        self.count = 0
        self.datasets: dict[str, set[str]] = {}
        """By name of a case, or of a sample without one."""
        self.bearers: dict[str, dict[Hashable, list[int]]] = {kind: {} for kind in KINDS}
        self._contents: dict[SampleKey, set[int]] = {}

    def add(self, dataset: str, row: IndexRow) -> None:
        self.datasets.setdefault(row.case or row.id, set()).add(dataset)
        for kind, value in _marks(dataset, row):
            self.bearers[kind].setdefault(value, []).append(self.count)
        self._contents.setdefault((dataset, row.id), set()).add(hash((row.images, row.question)))
        self.count += 1

    def conflicts(self) -> tuple[str, ...]:
        return tuple(f"{dataset}: {name}" for (dataset, name), found in self._contents.items() if len(found) > 1)


class _Hits:
    """Which members were met in another split."""

    def __init__(self, members: _Members) -> None:
        self.members = members
        self.met: dict[str, dict[Hashable, None]] = {kind: {} for kind in KINDS}
        self.alike: dict[str, None] = {}

    def look(self, dataset: str, row: IndexRow) -> None:
        name = row.case or row.id
        if dataset not in self.members.datasets.get(name, {dataset}):
            self.alike[name] = None
        for kind, value in _marks(dataset, row):
            if value in self.members.bearers[kind]:
                self.met[kind][value] = None

    def overlap(self, first: str, second: str, missing: tuple[str, ...]) -> Overlap:
        bearers = self.members.bearers
        touched = {number for kind, met in self.met.items() for value in met for number in bearers[kind][value]}
        return Overlap(
            first,
            second,
            len(touched),
            self.members.count,
            {kind: Shared(len(met), len(bearers[kind]), _names(met)) for kind, met in self.met.items()},
            missing,
            tuple(self.alike),
        )


def _names(met: Mapping[Hashable, None]) -> tuple[str, ...]:
    shown = list(met)[:_NAMED]
    return tuple(f"{value[0]}: {value[1]}" if isinstance(value, tuple) else str(value) for value in shown)
