"""Which samples share images: within a case, where it is no fault, or across cases and splits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from medix.audit.near_pictures import TURNS, NearPairs
from medix.audit.rows import AuditRow
from medix.types import Cluster

_EXAMPLES = 50
"""Pairs of each kind and relation that are kept as examples."""


class Kind(StrEnum):
    """How two images are alike."""

    SAME_FILE = "same file"
    NEAR = "near-duplicate"
    TURNED = "mirrored or rotated"


class Relation(StrEnum):
    """Where two images are; of several, the last that holds."""

    WITHIN_CASE = "within a case"
    CASE_UNKNOWN = "case unknown"
    ACROSS_CASES = "across cases"
    ACROSS_SPLITS = "across splits"


class Owner(NamedTuple):
    """Where an image is used: the split, the case or sample, whether the split only serves to be compared with."""

    split: str
    cluster: Cluster
    is_against: bool

    @property
    def has_case(self) -> bool:
        """Whether the case is known."""
        return self.cluster[1] == "case"

    @property
    def group(self) -> tuple[str, bool, bool]:
        """Everything but which case it is."""
        return self.split, self.is_against, self.has_case


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two images that are alike, or one image at two places.

    Attributes:
        kind, relation: of the pair.
        first, second: numbers of the images; equal for the same file.
        rows: index of a row of each image, of different places.
        turn: how the first is turned to become the second; empty if it is not.
        correlation: of the thumbnails.
    """

    kind: Kind
    relation: Relation
    first: int
    second: int
    rows: tuple[int, int]
    turn: str = ""
    correlation: float = 1.0


@dataclass
class DuplicateCount:
    """Pairs of one kind and relation.

    Attributes:
        pairs: number of pairs.
        pictures: numbers of the images in them.
        samples: index of the rows that use one of these images.
        examples: the first of the pairs.
    """

    pairs: int = 0
    pictures: set[int] = field(default_factory=set)
    samples: set[int] = field(default_factory=set)
    examples: list[DuplicatePair] = field(default_factory=list)


class Duplicates:
    """The images that rows share.

    Args:
        rows: the rows.
        near: pairs of images that are alike without being the same file.
    """

    def __init__(self, rows: Sequence[AuditRow], near: NearPairs) -> None:
        self.counts: dict[tuple[Kind, Relation], DuplicateCount] = {
            (kind, relation): DuplicateCount() for kind in Kind for relation in Relation
        }
        self._rows: dict[int, list[int]] = {}
        self._owners: dict[int, dict[Owner, int]] = {}
        for number, row in enumerate(rows):
            for picture in dict.fromkeys(row.pictures):
                _keep(
                    self._owners.setdefault(picture, {}), Owner(row.split, row.sample.cluster, row.is_against), number
                )
                self._rows.setdefault(picture, []).append(number)
        for pair in (*self._same_files(), *self._near(near)):
            self._add(pair)

    def of(self, relation: Relation) -> int:
        """Number of pairs of a relation, of any kind."""
        return sum(count.pairs for (_, found), count in self.counts.items() if found is relation)

    def _same_files(self) -> Iterator[DuplicatePair]:
        for picture, owners in self._owners.items():
            if len(owners) > 1 and (found := _relation(owners, owners)) is not None:
                yield DuplicatePair(Kind.SAME_FILE, found[0], picture, picture, found[1])
            elif len(self._rows[picture]) > 1 and not next(iter(owners)).is_against:
                first, second, *_ = self._rows[picture]
                yield DuplicatePair(Kind.SAME_FILE, Relation.WITHIN_CASE, picture, picture, (first, second))

    def _near(self, near: NearPairs) -> Iterator[DuplicatePair]:
        pairs = zip(near.first.tolist(), near.second.tolist(), near.turn.tolist(), near.correlation, strict=True)
        for first, second, turn, correlation in pairs:
            if first not in self._owners or second not in self._owners:
                continue  # of an item of a task
            if (found := _relation(self._owners[first], self._owners[second])) is not None:
                kind = Kind.TURNED if turn else Kind.NEAR
                yield DuplicatePair(kind, found[0], first, second, found[1], TURNS[turn], float(correlation))

    def _add(self, pair: DuplicatePair) -> None:
        count = self.counts[pair.kind, pair.relation]
        count.pairs += 1
        count.pictures |= {pair.first, pair.second}
        count.samples.update(self._rows[pair.first], self._rows[pair.second])
        if len(count.examples) < _EXAMPLES:
            count.examples.append(pair)


_ORDER = tuple(Relation)


def _keep(owners: dict[Owner, int], owner: Owner, row: int) -> None:
    """Add an owner, unless two of its split are there: those decide every relation, and an image of a data set without
    cases may have thousands.
    """
    if sum(one.group == owner.group for one in owners) < 2:
        owners.setdefault(owner, row)


def _relation(one: Mapping[Owner, int], other: Mapping[Owner, int]) -> tuple[Relation, tuple[int, int]] | None:
    """The strongest relation between places of two images, with a row of each; None if all only serve to compare."""
    found: list[tuple[int, tuple[int, int]]] = []
    for first, row in one.items():
        for second, match in other.items():
            if (first.is_against and second.is_against) or (one is other and first == second):
                continue
            found.append((_ORDER.index(_of_places(first, second)), (row, match)))
    if not found:
        return None
    place, rows = max(found, key=lambda entry: entry[0])
    return _ORDER[place], rows


def _of_places(one: Owner, other: Owner) -> Relation:
    if (one.split, one.is_against) != (other.split, other.is_against):
        return Relation.ACROSS_SPLITS
    if one.cluster == other.cluster:
        return Relation.WITHIN_CASE
    return Relation.ACROSS_CASES if one.has_case and other.has_case else Relation.CASE_UNKNOWN
