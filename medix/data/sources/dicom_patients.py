"""Which rows are of one patient and of one case: by the headers of their images, and by what a table says."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from medix.data.sources.source import RowError

Name = tuple[str, str]
"""What tells patients apart: its kind (``patient``, ``study``) and the text."""

NOBODY: Name = ("", "")
IGNORE = "--ignore-patient-ids"

_CASE, _PATIENT = "table case", "table patient"


@dataclass(frozen=True, slots=True)
class Named:
    """What says whose a row is.

    Attributes:
        headers: of each patient among its images, ``DicomHeader.patient``: PatientID and StudyInstanceUID, those of
            them that there are.
        case: what the table calls the case; empty if nothing.
        patient: what the table calls the patient; empty if nothing.
    """

    headers: tuple[tuple[Name, ...], ...] = field(default=(), repr=False)
    case: str = field(default="", repr=False)
    patient: str = field(default="", repr=False)

    @property
    def of_headers(self) -> list[Name]:
        """The best name of each patient among its images."""
        return list(dict.fromkeys(names[0] for names in self.headers if names))

    @property
    def names(self) -> list[Name]:
        """All names of its headers, as those of another build may lack the PatientID, and what the table calls its
        case and its patient.
        """
        stated = [(_CASE, self.case), (_PATIENT, self.patient)]
        of_headers = dict.fromkeys(name for names in self.headers for name in names)
        return [*of_headers, *(name for name in stated if name[1])]

    def own(self, stated: str) -> list[Name]:
        """``of_headers``, and ``stated``, unless empty, where no header has a PatientID."""
        found = self.of_headers
        return [*found, ("patient", stated)] if stated and not any(kind == "patient" for kind, _ in found) else found

    @property
    def of_case(self) -> list[Name]:
        """Its names that tell cases apart."""
        return self.own(self.patient or self.case)

    @property
    def of_patient(self) -> list[Name]:
        """Its names that tell patients apart."""
        return self.own(self.patient)


class _Joined:
    """Names of which some are the same one's; of those, the smallest stands for all.

    A PatientID is smaller than a study, and both are smaller than names of tables.
    """

    def __init__(self) -> None:
        self._smaller: dict[Name, Name] = {}

    def join(self, names: Sequence[Name]) -> None:
        first = {self.of(name) for name in names}
        self._smaller.update(dict.fromkeys(first, min(first)))

    def of(self, name: Name) -> Name:
        found = name
        while (smaller := self._smaller.get(found, found)) != found:
            found = smaller
        self._smaller[name] = found
        return found


class DicomPatients:
    """Whose the rows of one build are.

    Images of one patient by their headers are never of two cases or patients, whatever the table says of some of the
    rows: names that stand in one row belong together, in all rows. A study of a single PatientID is that patient's also
    where a header lacks it. What a table calls a case or patient therefore joins patients of headers, and divides none.
    Patients whose images are shown in one row are one patient, if a table joins their case; else the row is refused,
    and joins nobody.

    Args:
        rows: all rows that may become samples.
        ignores_headers: only the table says whose a row is; ``headers`` are empty.
    """

    def __init__(self, rows: Iterable[Named], ignores_headers: bool = False) -> None:
        self.ignores_headers = ignores_headers
        self.number = 0
        self._cases, self._patients = _Joined(), _Joined()
        self._of_headers: set[Name] = set()
        self._stated: dict[tuple[Name, str], set[str]] = {}  # by patient of the headers, and kind of name in the table
        of_study: dict[Name, set[Name]] = {}
        together: dict[tuple[Name, ...], Named] = {}
        for row in rows:
            self.number += 1
            for names in row.headers:
                self._of_headers.update(names[:1])
                if len(names) > 1:
                    of_study.setdefault(names[1], set()).add(names[0])
            patient = [(_PATIENT, row.patient)] if row.patient else []
            stated = [*patient, *([(_CASE, row.case)] if row.case else [])]
            if stated:
                self._cases.join([*row.of_case, *stated])
            if patient:
                self._patients.join([*row.of_patient, *patient])
            elif len(row.of_patient) > 1:
                together[tuple(row.of_patient)] = row
            for kind, text in stated if len(row.of_headers) == 1 else ():
                self._stated.setdefault((row.of_headers[0], kind), set()).add(text)
        for study, patients in of_study.items():
            if len(patients) == 1:
                self._cases.join([study, *patients])
                self._patients.join([study, *patients])
        for shown, row in together.items():  # known only now: whether ``case`` refuses it
            if len(self._cases_of(row)) == 1:  # who are shown together are not told apart
                self._patients.join(shown)

    def _cases_of(self, row: Named) -> set[Name]:
        return {self._cases.of(name) for name in row.of_case}

    def case(self, row: Named) -> Name:
        """The case of a row; ``NOBODY`` if nothing names one.

        Raises:
            RowError: it is of several, or nothing names one and the table alone says it.
        """
        found = self._cases_of(row)
        if len(found) > 1:
            remedy = "the images are of several patients; name those of one, in a table"
            raise RowError("image", None, remedy, "several_cases")
        if self.ignores_headers and not found:
            remedy = f"the row names neither case nor patient, and {IGNORE} takes none of its images; fill the cell"
            raise RowError("case", None, remedy, "case")
        return next(iter(found), NOBODY)

    def patient(self, row: Named) -> Name:
        """The patient of a row; ``NOBODY`` if neither a PatientID nor the table names one."""
        found = next((self._patients.of(name) for name in row.of_patient), NOBODY)
        return found if found[0] == "patient" else NOBODY

    def notes(self) -> list[str]:
        """What was joined, in sentences."""
        headers = Counter(self._cases.of(name) for name in self._of_headers if name[0] == "patient")
        divided = len({patient for (patient, _), texts in self._stated.items() if len(texts) > 1})
        joined = sum(number > 1 for number in headers.values())
        found = []
        if divided:
            found.append(
                f"patients by their headers for whom the table has several names: {divided:,}; each is one case, so "
                f"that no part divides a patient. If PatientIDs are placeholders, give {IGNORE}"
            )
        if joined:
            found.append(f"cases of the table that are several patients by the headers of their images: {joined:,}")
        return found
