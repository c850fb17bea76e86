"""Whether splits share samples, cases, images or text-only questions."""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from medix.data.index import IndexRow
from medix.data.manifest import Manifest
from medix.data.split_rows import RepeatedIds, RowReader, SplitRow
from medix.data.stream import Stream

KINDS = ("samples", "cases", "images", "text-only questions")
"""What two splits may share. Samples and cases have names within their data set; the others are compared by content."""

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
        doubtful: how many of these may be the same cases nevertheless: one side does not name its data set, so that it
            is called by the ``name`` of its manifest, which differs between the splits of one collection.
    """

    first: str
    second: str
    touched: int = 0
    samples: int = 0
    shared: Mapping[str, Shared] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    doubtful: int = 0

    @property
    def doubt(self) -> str:
        """Why the second split is not called held out; empty if all of it was compared and nothing is shared."""
        first = _WORDS[self.first]
        if self.touched:
            return f"overlaps {first}: {self.touched:,} of {self.samples:,} samples"
        if self.missing:
            return f"not fully compared with {first}"
        return f"{_counted(self.doubtful, 'case name')} also in {first}" if self.doubtful else ""

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
            + (", and if not, one of its own that is not the `name` of the manifest" if self.doubtful else "")
        )


class SplitOverlaps:
    """Compares the splits of a run by the indexes of their manifests, and shards without an index by reading them.

    Nothing is downloaded: a remote shard without an index is compared only if it was fetched before.

    Args:
        streams: ``train``, ``val`` and ``test``, those that there are; only samples that take part are compared.
        unread: splits that could not be read, and why.
        reader: reads the rows; one of its own if None.
    """

    def __init__(
        self,
        streams: Mapping[str, Stream],
        unread: Mapping[str, str] | None = None,
        reader: RowReader | None = None,
    ) -> None:
        self.streams = streams
        self.unread = dict(unread or {})
        self.repeated: dict[str, RepeatedIds] = {}
        """By split, ids that occur more than once; ``val`` and ``test`` only."""
        self.pairs = tuple(self._compare(reader or RowReader()))

    def of(self, split: str) -> Overlap | None:
        """How a split overlaps the training data; None if either is not there."""
        return next((pair for pair in self.pairs if pair.second == split and pair.first == "train"), None)

    def label(self, split: str) -> str:
        """What tables call a split: ``held out`` only if it was compared with the training data and every other
        earlier split, completely, and shares nothing with them."""
        doubts = [pair.doubt for pair in self.pairs if pair.second == split and pair.doubt]
        word = _WORDS[split]
        if doubts:
            return f"{word} ({'; '.join(doubts)})"
        return word if self.of(split) is None else "held out"

    def messages(self) -> list[str]:
        """One line for everything that a user should know before a run; empty if the splits share nothing."""
        lines: list[str] = []
        for split, ids in self.repeated.items():
            lines += filter(None, (ids.conflicts(split), ids.not_compared(split)))
        for pair in self.pairs:
            lines += filter(None, (pair.found(), pair.not_compared(), pair.namesakes()))
        return lines

    def _compare(self, reader: RowReader) -> Iterator[Overlap]:
        rows = {
            split: list(reader.rows(split, self.streams[split])) for split in ("val", "test") if split in self.streams
        }
        members = {split: _Members(of_split) for split, of_split in rows.items()}
        self.repeated = {split: RepeatedIds(of_split) for split, of_split in rows.items()}
        hits = {pair: _Hits(members[pair[1]]) for pair in _PAIRS if pair[0] in self.streams and pair[1] in members}
        if "train" in self.streams and members:
            for entry in reader.rows("train", self.streams["train"]):
                for split in members:
                    hits["train", split].look(entry)
        if ("val", "test") in hits:
            for entry in rows["val"]:
                hits["val", "test"].look(entry)
        for first, second in _PAIRS:
            if (first, second) in hits:
                missing = (*reader.missing.get(first, ()), *reader.missing.get(second, ()))
                yield hits[first, second].overlap(first, second, missing)
            elif (first in self.unread or second in self.unread) and {first, second} <= {*self.unread, *self.streams}:
                reasons = (self.unread[split] for split in (first, second) if split in self.unread)
                yield Overlap(first, second, missing=tuple(reasons))


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

    def __init__(self, rows: Sequence[SplitRow]) -> None:
        self.count = len(rows)
        self.manifests: dict[str, dict[str, Manifest]] = {}
        """By name of a case, or of a sample without one, a manifest of each data set that has it."""
        self.bearers: dict[str, dict[Hashable, list[int]]] = {kind: {} for kind in KINDS}
        for number, (manifest, row) in enumerate(rows):
            self.manifests.setdefault(row.case or row.id, {})[manifest.dataset] = manifest
            for kind, value in _marks(manifest.dataset, row):
                self.bearers[kind].setdefault(value, []).append(number)


class _Hits:
    """Which members were met in another split."""

    def __init__(self, members: _Members) -> None:
        self.members = members
        self.met: dict[str, dict[Hashable, None]] = {kind: {} for kind in KINDS}
        self.alike: dict[str, None] = {}
        self.doubtful: dict[str, None] = {}

    def look(self, entry: SplitRow) -> None:
        manifest, row = entry
        name = row.case or row.id
        others = self.members.manifests.get(name, {})
        if others and manifest.dataset not in others:
            self.alike[name] = None
            if not all(one.names_dataset for one in (manifest, *others.values())):
                self.doubtful[name] = None
        for kind, value in _marks(manifest.dataset, row):
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
            len(self.doubtful),
        )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _names(met: Mapping[Hashable, None]) -> tuple[str, ...]:
    shown = list(met)[:_NAMED]
    return tuple(f"{value[0]}: {value[1]}" if isinstance(value, tuple) else str(value) for value in shown)
