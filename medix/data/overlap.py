"""Whether splits share samples, cases, images or text-only questions."""

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from medix.data.comparable_cases import ONE_SALT, Advice, CaseMatches, CaseNames, same_dataset
from medix.data.index import IndexRow
from medix.data.split_rows import RepeatedIds, RowReader, SplitRow
from medix.data.stream import Stream

KINDS = ("samples", "cases", "images", "text-only questions")
"""What two splits may share. Samples and cases have names within their data set; the others are compared by content."""

_PAIRS = (("train", "val"), ("train", "test"), ("val", "test"))
_WORDS = {"train": "training", "val": "validation", "test": "test"}
_MAX_NAMES = 3


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
        affected: number of samples of the second split that share their identity, case, question (text-only) or an
            image with the first.
        samples: number of samples of the second split that were compared.
        shared: by kind.
        missing: what was not compared, and why; empty if everything was.
        incomparable: why cases of the one cannot be recognised in the other; empty if they can.
        same_names: cases (samples, where cases are unknown) of the second split whose names occur in the first under
            another data set, so that they count as different cases.
        doubtful: how many of these may be the same cases nevertheless (``CaseMatches``).
    """

    first: str
    second: str
    affected: int = 0
    samples: int = 0
    shared: Mapping[str, Shared] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    same_names: tuple[str, ...] = ()
    doubtful: int = 0
    incomparable: tuple[Advice, ...] = ()

    @property
    def doubt(self) -> str:
        """Why the second split is not called held out; empty if all of it was compared and nothing is shared."""
        first = _WORDS[self.first]
        if self.affected:
            return f"overlaps {first}: {self.affected:,} of {self.samples:,} samples"
        if self.incomparable:
            return f"cases cannot be compared with {first}"
        if self.missing:
            return f"not fully compared with {first}"
        return f"{_counted(self.doubtful, 'case name')} also in {first}" if self.doubtful else ""

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
        """What was not compared, and why; empty if everything was."""
        if not self.missing:
            return ""
        return f"data.{self.second} was not fully compared with data.{self.first}: {'; '.join(self.missing)}"

    def messages(self) -> list[str]:
        """All that is to be said."""
        told = self.overlap_message(), *self.incomparable_advice(), self.missing_message(), self.same_names_advice()
        return [str(text) for text in told if text]

    def incomparable_advice(self) -> list[Advice]:
        """Why cases cannot be compared; empty if they can."""
        between = f"data.{self.second} and data.{self.first}: cases cannot be compared, as"
        return [Advice(f"{between} {what}", remedy) for what, remedy in self.incomparable]

    def same_names_advice(self) -> Advice | None:
        """The names that occur in both splits under different data sets; None if there are none."""
        if not self.same_names:
            return None
        names = f"{', '.join(self.same_names[:_MAX_NAMES])}{', …' if len(self.same_names) > _MAX_NAMES else ''}"
        return Advice(
            f"data.{self.second} and data.{self.first} have {len(self.same_names):,} names of cases or samples in "
            f"common ({names}), in different data sets, so that they count as different",
            same_dataset(bool(self.doubtful)),
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
        self.divided: dict[str, list[str]] = {}
        """By split, data sets with pseudonyms by several salts; likewise."""
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
            lines += map(str, self.divided_advice(split))
        for pair in self.pairs:
            lines += pair.messages()
        return lines

    def divided_advice(self, split: str) -> list[Advice]:
        """Which patients of a split may count several times."""
        return [
            Advice(
                f"data.{split}: its pseudonyms of data set {dataset!r} are by several salts, so that a patient may be "
                "counted as several cases, and intervals be too narrow",
                ONE_SALT,
            )
            for dataset in self.divided[split]
        ]

    def _compare(self, reader: RowReader) -> Iterator[Overlap]:
        rows = {
            split: list(reader.rows(split, self.streams[split])) for split in ("val", "test") if split in self.streams
        }
        indexed = {split: _SplitIndex(of_split) for split, of_split in rows.items()}
        self.repeated = {split: RepeatedIds(of_split) for split, of_split in rows.items()}
        self.divided = {split: index.names.naming.divided for split, index in indexed.items()}
        matches = {
            pair: _Matches(indexed[pair[1]]) for pair in _PAIRS if pair[0] in self.streams and pair[1] in indexed
        }
        if "train" in self.streams and indexed:
            for entry in reader.rows("train", self.streams["train"]):
                for split in indexed:
                    matches["train", split].add(entry)
        if ("val", "test") in matches:
            for entry in rows["val"]:
                matches["val", "test"].add(entry)
        for first, second in _PAIRS:
            if (first, second) in matches:
                missing = (*reader.missing.get(first, ()), *reader.missing.get(second, ()))
                yield matches[first, second].overlap(first, second, missing)
            elif (first in self.unread or second in self.unread) and {first, second} <= {*self.unread, *self.streams}:
                reasons = (self.unread[split] for split in (first, second) if split in self.unread)
                yield Overlap(first, second, missing=tuple(reasons))


def _identifiers(dataset: str, row: IndexRow) -> Iterator[tuple[str, Hashable]]:
    """Kind and value of everything by which a sample can be recognised in another split."""
    yield "samples", (dataset, row.id)
    for case in row.cases:
        yield _CASE_NAMES, (dataset, case)
    for image in row.images:
        yield "images", image
    if not row.images:
        yield "text-only questions", row.question


_CASE_NAMES = "case names"


class _SplitIndex:
    """The samples of an evaluated split, indexed by everything that they may share with another split."""

    def __init__(self, rows: Sequence[SplitRow]) -> None:
        self.count = len(rows)
        self.names = CaseNames(rows)
        self.samples_by_value: dict[str, dict[Hashable, list[int]]] = {kind: {} for kind in (*KINDS, _CASE_NAMES)}
        for number, (manifest, row) in enumerate(rows):
            if row.case:
                self.samples_by_value["cases"].setdefault((manifest.dataset, row.case), [])
            for kind, value in _identifiers(manifest.dataset, row):
                self.samples_by_value[kind].setdefault(value, []).append(number)


class _Matches:
    """Values of an indexed split that also occur in another split."""

    def __init__(self, index: _SplitIndex) -> None:
        self.index = index
        self.cases = CaseMatches(index.names)
        self.values: dict[str, dict[Hashable, None]] = {kind: {} for kind in (*KINDS, _CASE_NAMES)}

    def add(self, entry: SplitRow) -> None:
        manifest, row = entry
        self.cases.add(manifest, row)
        for kind, value in _identifiers(manifest.dataset, row):
            if value in self.index.samples_by_value[kind]:
                self.values[kind][value] = None

    def overlap(self, first: str, second: str, missing: tuple[str, ...]) -> Overlap:
        samples = self.index.samples_by_value
        affected = {
            number for kind, values in self.values.items() for value in values for number in samples[kind][value]
        }
        found: dict[str, Collection[Hashable]] = {**self.values, "cases": self.cases.shared}
        return Overlap(
            first,
            second,
            len(affected),
            self.index.count,
            {kind: Shared(len(found[kind]), len(samples[kind]), _names(found[kind])) for kind in KINDS},
            missing,
            tuple(self.cases.same_names),
            len(self.cases.doubtful),
            tuple(self.cases.incomparable()),
        )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _names(values: Collection[Hashable]) -> tuple[str, ...]:
    shown = list(values)[:_MAX_NAMES]
    return tuple(f"{value[0]}: {value[1]}" if isinstance(value, tuple) else str(value) for value in shown)
