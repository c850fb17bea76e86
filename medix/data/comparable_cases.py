"""Which cases of one split are in another, and whether they can be recognised at all.

A case is known by its name within its data set. Two data sets are different collections only if both manifests name
theirs (``Manifest.names_dataset``); otherwise their splits may be of one collection. Manifests of one build name cases
alike, whatever the names look like. ``fit``, ``doctor`` and ``shards audit`` have these rules from here.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from medix.data.index import IndexRow
from medix.data.manifest import Manifest

_PSEUDONYM = re.compile("[0-9a-f]{16}")

ONE_SALT = "build them with one --salt file"
"""Remedy for pseudonyms that are known to be of DICOM files, whose builds alone take a salt."""
_ONE_BUILD = "divide them in one build (--partition; of tars with --rewrite)"
_STATED = f"{ONE_SALT}, which the manifests then state, or, if they are not of DICOM files, {_ONE_BUILD}"
_ALIKE = (
    "name cases alike in both inputs, or build both from their DICOM files (--from dicom, also with a table of "
    "questions) and one --salt file"
)
_SAME_DATASET = "if the splits are of one collection, give their manifests the same `dataset` (shards build --dataset)"
_OWN_DATASET = "if not, give each a --dataset of its own that is not its --name"


class Advice(NamedTuple):
    """What is to be said, and what to do about it."""

    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


def same_dataset(is_doubtful: bool) -> str:
    """Remedy for names that occur in different data sets of two splits.

    Args:
        is_doubtful: a data set is not named, so that it may be of the same collection.
    """
    return f"{_SAME_DATASET}; {_OWN_DATASET}" if is_doubtful else _SAME_DATASET


@dataclass(eq=False)
class _Naming:
    """How some manifests of a split, of one data set, name cases. It is equal to no other one.

    Attributes:
        dataset, names_dataset, salt_digest, build: of the manifests.
        is_foreign: whether their cases are as another program has named them, so that no salt could be given.
        path: of the first of them.
        has_cases: whether there is any.
        is_hashed: whether all look like pseudonyms.
    """

    dataset: str
    names_dataset: bool
    salt_digest: str | None
    build: str
    is_foreign: bool
    path: Path
    has_cases: bool = False
    is_hashed: bool = True

    @property
    def is_unknown(self) -> bool:
        """Whether cases look like pseudonyms of a secret that is not stated."""
        return not self.salt_digest and self.has_cases and self.is_hashed

    @property
    def is_plain(self) -> bool:
        """Whether cases are called as the input calls them."""
        return not self.salt_digest and self.has_cases and not self.is_hashed


class CaseNaming:
    """How a split names its cases, by data set, secret and build. ``add`` takes the samples."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str | None, str], _Naming] = {}

    def add(self, manifest: Manifest, case: str) -> _Naming:
        """Take a sample; returns how its manifest names cases.

        Args:
            manifest: that lists its shard.
            case: of the sample; empty if it is unknown.
        """
        key = manifest.dataset, manifest.salt_digest, manifest.build
        if (naming := self._found.get(key)) is None:
            is_foreign = manifest.salt_digest == "" or bool(manifest.build or manifest.layout)
            naming = _Naming(manifest.dataset, manifest.names_dataset, *key[1:], is_foreign, manifest.path)
            self._found[key] = naming
        if case:
            naming.has_cases = True
            naming.is_hashed = naming.is_hashed and _PSEUDONYM.fullmatch(case) is not None
        return naming

    @property
    def divided(self) -> list[str]:
        """Data sets with pseudonyms by several salts: a patient may have several cases."""
        salts: dict[str, set[str]] = {}
        for dataset, salt, _ in self._found:
            salts.setdefault(dataset, set()).update([salt] if salt else [])
        return [dataset for dataset, found in salts.items() if len(found) > 1]

    def incomparable(self, other: "CaseNaming", recognised: Collection[tuple[_Naming, _Naming]]) -> Iterator[Advice]:
        """Why cases cannot be recognised in another split; nothing if they can.

        Args:
            other: the other split.
            recognised: what ``add`` of this split and of the other has returned for a name of a case that both have, so
                that they name cases alike.
        """
        told: set[tuple[str | None, ...]] = set()
        for mine in self._found.values():
            for theirs in other._found.values():
                key = mine.dataset, mine.salt_digest, theirs.dataset, theirs.salt_digest
                if key in told:  # of several builds once
                    continue
                if why := _why(mine, theirs, (mine, theirs) in recognised):
                    told.add(key)
                    what = f"{theirs.path} and {mine.path} {why.what}, so that no patient is found in both"
                    yield Advice(what, why.remedy)


def _why(one: _Naming, other: _Naming, is_recognised: bool) -> Advice | None:
    """What differs; None if cases can be compared, or are known to be of different collections."""
    if one.build and one.build == other.build:
        return None
    is_one = one.dataset == other.dataset
    if not is_one and one.names_dataset and other.names_dataset:
        return None
    of = f"of data set {one.dataset!r}" if is_one else f"of data sets {one.dataset!r} and {other.dataset!r}"
    may_be = "" if is_one else ", and may be of one collection"
    kinds = [one.salt_digest or one.is_unknown, other.salt_digest or other.is_unknown]
    remedy = ONE_SALT
    if one.salt_digest and other.salt_digest:
        if one.salt_digest == other.salt_digest:
            return None
        what = f"have pseudonyms {of} by different salts"
    elif is_recognised:
        return None
    elif all(kinds):
        what = f"have cases {of} that look like pseudonyms, and it is unknown whether by one salt"
        foreign = one.is_foreign, other.is_foreign
        remedy = _ONE_BUILD if all(foreign) else _ALIKE if any(foreign) else _STATED
    elif any(kinds) and (one.is_plain or other.is_plain):
        what = f"have cases {of} of which one are pseudonyms and the other names"
        remedy = _ALIKE
    else:
        return None
    if not is_one:
        remedy = f"if they are one collection, give them one --dataset and {remedy}; {_OWN_DATASET}"
    return Advice(f"{what}{may_be}", remedy)


class _Case(NamedTuple):
    """A case, or a sample whose case is not known, as some manifests name it."""

    naming: _Naming
    name: str
    is_known: bool


class CaseNames:
    """The names of the cases of a split, under which another may have them.

    Args:
        rows: manifest and row of each sample.
    """

    def __init__(self, rows: Iterable[tuple[Manifest, IndexRow]]) -> None:
        self.naming = CaseNaming()
        self.called: dict[str, dict[_Case, None]] = {}
        """By name, what is called so."""
        for manifest, row in rows:
            case = _Case(self.naming.add(manifest, row.case), row.case or row.id, bool(row.case))
            for name in row.cases or (row.id,):
                self.called.setdefault(name, {})[case] = None


class CaseMatches:
    """The cases of a split that another has, too, and whether those of the two can be compared.

    Args:
        names: of the split. ``add`` takes the samples of the other.

    Attributes:
        shared: data set and name of each case that is in both.
        same_names: cases of the split (samples, where cases are unknown) of whose names the other has one in another
            data set, so that they count as different cases.
        doubtful: those of them that may be the same cases nevertheless, because a data set is not named.
    """

    def __init__(self, names: CaseNames) -> None:
        self._names = names
        self._naming = CaseNaming()
        self._recognised: set[tuple[_Naming, _Naming]] = set()
        self.shared: dict[tuple[str, str], None] = {}
        self.same_names: dict[str, None] = {}
        self.doubtful: dict[str, None] = {}

    def add(self, manifest: Manifest, row: IndexRow) -> None:
        """Take a sample of the other split.

        Args:
            manifest: that lists its shard.
            row: of the sample.
        """
        naming = self._naming.add(manifest, row.case)
        for name in row.cases or (row.id,):
            for case in self._names.called.get(name, ()):
                self._match(naming, bool(row.case), case)

    def _match(self, naming: _Naming, is_case: bool, case: _Case) -> None:
        is_known = is_case and case.is_known
        if is_known:
            self._recognised.add((naming, case.naming))
        if case.naming.dataset == naming.dataset:
            if is_known:
                self.shared[case.naming.dataset, case.name] = None
            return
        self.same_names[case.name] = None
        if not (case.naming.names_dataset and naming.names_dataset):
            self.doubtful[case.name] = None

    def incomparable(self) -> Iterator[Advice]:
        """Why cases of the one cannot be recognised in the other; nothing if they can."""
        return self._naming.incomparable(self._names.naming, self._recognised)
