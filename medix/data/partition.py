"""Divides the samples of a data set into parts, such as training and validation, without a case in two of them."""

import hashlib
import json
import math
import re
from dataclasses import dataclass
from typing import Literal, get_args

from medix.data.sources.source import RowError
from medix.grammar import is_invisible
from medix.types import Sample

Unit = Literal["case", "patient", "sample"]
UNITS: tuple[Unit, ...] = get_args(Unit)

PATIENT_FIELDS = ("patient", "patient_id", "PatientID", "subject_id")
"""Fields of ``metadata`` that name the patient, the first of which that a sample has is read."""

NO_PATIENT = "patient"
"""Kind of the fault of a row that does not name its patient, which ``--by patient`` needs."""

NOTHING = frozenset({"nan", "NaN", "NA", "None", "null", "NULL", "<NA>"})
"""What programs write into text where there is nothing. Not ``none`` or ``N/A``, which people write as answers."""

_NO_UNIT = frozenset({*map(str.casefold, NOTHING), "n/a"})

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*")


def as_shown(text: str) -> str:
    """A name without what nobody sees: marks that are not shown, blanks around it, and which kind of blank is in it."""
    return "".join(" " if char.isspace() else char for char in text if char.isspace() or not is_invisible(char)).strip()


def named_unit(text: str) -> str:
    """The name of a case or patient, as it is shown; empty for what programs write where there is none."""
    name = as_shown(text)
    return "" if name.casefold() in _NO_UNIT else name


@dataclass(frozen=True)
class Partition:
    """The part of a sample is a function of the seed, the data set and the unit that must not be divided.

    The unit is hashed to a number from 0 to 1, and the parts are intervals of the lengths of their shares. A unit
    therefore keeps its part if samples are added or removed, and the shares are met up to the chance of the draw: of n
    units of equal size, a share p is off by about sqrt(p (1 - p) / n).

    Args:
        shares: name and share of each part, in order; they sum to 1.
        by: ``case``: by ``Sample.case``; samples without a case are divided by their images, those without images by
            their id. ``patient``: by the first of ``PATIENT_FIELDS`` in the metadata. ``sample``: by the id.
        seed: another seed gives another division.
    """

    shares: tuple[tuple[str, float], ...]
    by: Unit = "case"
    seed: int = 1

    def __post_init__(self) -> None:
        names = [name for name, _ in self.shares]
        total = math.fsum(share for _, share in self.shares)
        told = f"--partition {','.join(f'{name}={share:g}' for name, share in self.shares)}"
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(f"{told}: give two or more parts with different names, such as train=0.9,val=0.1")
        if bad := [name for name in names if not _NAME.fullmatch(name)]:
            raise ValueError(f"{told}: {bad[0]!r} is part of file names; use letters, digits and underscores")
        if not all(0 < share < 1 for _, share in self.shares) or abs(total - 1) > 1e-9:
            raise ValueError(f"{told}: the shares sum to {total:g}; give shares above 0 that sum to 1")

    @classmethod
    def parse(cls, text: str, by: Unit = "case", seed: int = 1) -> "Partition":
        """The partition that ``train=0.9,val=0.1`` describes.

        Raises:
            ValueError: the text does not describe one.
        """
        shares = []
        for word in text.split(","):
            name, _, share = word.partition("=")
            try:
                shares.append((name.strip(), float(share)))
            except ValueError as error:
                raise ValueError(
                    f"--partition {text}: {word!r} is not NAME=SHARE; write, for example, train=0.9,val=0.1"
                ) from error
        return cls(tuple(shares), by, seed)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parts."""
        return tuple(name for name, _ in self.shares)

    def part(self, dataset: str, sample: Sample) -> str:
        """Name of the part of a sample.

        Raises:
            RowError: the sample does not name its patient.
        """
        key = json.dumps([self.seed, dataset, *self._unit(sample)])
        place = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8]) / 2**64
        end = 0.0
        for name, share in self.shares:
            end += share
            if place < end:
                return name
        return self.names[-1]

    def _unit(self, sample: Sample) -> tuple[str, ...]:
        if self.by == "patient":
            named = next(filter(None, (named_unit(sample.metadata.get(name, "")) for name in PATIENT_FIELDS)), "")
            if not named:
                remedy = (
                    f"the row names no patient; --by patient reads the metadata {' or '.join(PATIENT_FIELDS)}: give "
                    "such a column, state it in --columns as subgroup: {patient: NAME}, or give --by case, which for "
                    "DICOM files is the patient"
                )
                raise RowError("patient", None, remedy, NO_PATIENT)
            return "patient", named
        if self.by == "case" and sample.case:
            return "case", sample.case
        if self.by == "case" and sample.images:
            return "images", *sorted(set(sample.image_ids))
        return "sample", sample.id
