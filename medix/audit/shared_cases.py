"""Cases, that is patients or studies, that are in more than one split, and splits whose cases cannot be compared."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from medix.audit.rows import AuditRow
from medix.data.comparable_cases import CaseMatches, CaseNames, same_dataset
from medix.data.index import IndexRow
from medix.data.split_rows import SplitRow

SHOWN = 5
"""Names of cases that are shown; ``audit.json`` has more."""


@dataclass(frozen=True)
class SharedCases:
    """What two splits have in common.

    Attributes:
        first, second: names of the splits.
        cases: of the second that are in the first, too, with their data set.
        incomparable: why some cannot be recognised, each with its remedy; empty if all can.
        doubtful: names of cases of the second (of samples, where cases are unknown) that are in the first under another
            data set, and may be the same: a data set is not named.
    """

    first: str
    second: str
    cases: tuple[str, ...]
    incomparable: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()

    @property
    def names(self) -> str:
        """Some of the cases."""
        return _listed(self.cases)

    @property
    def is_open(self) -> bool:
        """Whether there may be further cases in both."""
        return bool(self.incomparable or self.doubtful)

    def sentences(self) -> Iterator[str]:
        """What was found."""
        if self.cases:
            yield f"{len(self.cases):,} cases of {self.second} are in {self.first}, too: {self.names}"
        yield from (f"{self.second} and {self.first}: cases cannot be compared, as {why}" for why in self.incomparable)
        if self.doubtful:
            yield (
                f"{self.second} and {self.first} have {len(self.doubtful):,} names of cases or samples in common "
                f"({_listed(self.doubtful)}), in different data sets that may be of one collection; "
                f"{same_dataset(True)}"
            )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def shared_cases(rows: Sequence[AuditRow]) -> list[SharedCases]:
    """The pairs of splits that share cases, may share some or cannot be compared.

    Splits that only serve to be compared with are not compared with each other.
    """
    splits: dict[tuple[str, bool], list[SplitRow]] = {}
    for row in rows:
        named = SplitRow(row.manifest, IndexRow.of(row.sample))
        splits.setdefault((row.split, row.is_against), []).append(named)
    names = {split: CaseNames(of_split) for split, of_split in splits.items()}
    found = []
    for (first, is_against), (second, is_against_too) in combinations(splits, 2):
        if is_against and is_against_too:
            continue
        matches = CaseMatches(names[second, is_against_too])
        for entry in splits[first, is_against]:
            matches.add(*entry)
        cases = tuple(f"{dataset}: {name}" for dataset, name in matches.shared)
        why = tuple(map(str, matches.incomparable()))
        found.append(SharedCases(first, second, cases, why, tuple(matches.doubtful)))
    return [pair for pair in found if pair.cases or pair.is_open]
