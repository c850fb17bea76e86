"""Which rows of DICOM images are of one patient and of one case."""

import random

import pytest

from medix.data.sources.dicom_patients import NOBODY, DicomPatients, Name, Named
from medix.data.sources.source import RowError


def of(patient: str = "", study: str = "") -> tuple[Name, ...]:
    """What the header of an image says."""
    return tuple(name for name in (("patient", patient), ("study", study)) if name[1])


def test_a_row_without_a_name_is_of_the_case_of_its_patient() -> None:
    """P1 is C1 in one row only, P2 is C1 too: three rows of one case; P3 is named in no row."""
    rows = [
        Named((of("P1"),), "C1"), Named((of("P1"),)), Named((of("P2"),), "C1"), Named((of("P3"),)), Named(),
    ]  # fmt: skip
    found = DicomPatients(rows)
    assert [found.case(row) for row in rows] == [*3 * [("patient", "P1")], ("patient", "P3"), NOBODY]
    assert found.number == 5
    assert found.notes() == ["cases of the table that are several patients by the headers of their images: 1"]


def test_a_case_of_several_patients_leaves_them_several_patients() -> None:
    """A family is one case; a column of patients beside it names two."""
    rows = [Named((of("P1"),), "family", "Ann"), Named((of("P2"),), "family", "Bob"), Named((of("P2"),))]
    found = DicomPatients(rows)
    assert {found.case(row) for row in rows} == {("patient", "P1")}
    assert [found.patient(row) for row in rows] == [("patient", name) for name in ("P1", "P2", "P2")]


def test_a_name_of_the_table_is_another_than_the_same_text_as_a_patient_id() -> None:
    """Cases numbered 1, 2, 3 of patients numbered 2, 2, 1 are two patients."""
    rows = [Named((of(patient),), case) for patient, case in (("2", "1"), ("2", "2"), ("1", "3"))]
    found = DicomPatients(rows)
    assert [found.case(row) for row in rows] == [("patient", number) for number in "221"]


def test_where_no_header_has_a_patient_id_the_table_names_it() -> None:
    """The first image lacks a PatientID, and has the study of no other; the table names the PatientID of the second."""
    rows = [Named((of(study="1.2"),), patient="P1"), Named((of("P1", "1.3"),)), Named((of(study="1.2"),))]
    found = DicomPatients(rows)
    assert {found.case(row) for row in rows} == {found.patient(row) for row in rows} == {("patient", "P1")}


def test_a_study_is_that_of_its_patient_where_a_header_lacks_the_patient_id() -> None:
    """Unless the study is of two patients by other headers: then it says nothing."""
    rows = [Named((of("P1", "1.2"),)), Named((of(study="1.2"),)), Named((of(study="1.9"),))]
    found = DicomPatients(rows)
    assert [found.case(row) for row in rows] == [("patient", "P1"), ("patient", "P1"), ("study", "1.9")]
    assert [found.patient(row) for row in rows] == [("patient", "P1"), ("patient", "P1"), NOBODY]
    found = DicomPatients([*rows, Named((of("P2", "1.2"),))])
    assert [found.case(row) for row in rows] == [("patient", "P1"), ("study", "1.2"), ("study", "1.9")]


def test_images_of_several_patients_need_a_name_in_their_row_or_in_another() -> None:
    both = Named((of("P1"), of("P2")))
    with pytest.raises(RowError, match="the images are of several patients"):
        DicomPatients([both]).case(both)
    assert DicomPatients([both, Named(both.headers, "C1")]).case(both) == ("patient", "P1")


def test_a_row_that_nobody_names_is_a_fault_where_headers_are_ignored() -> None:
    rows = [Named(case="C1"), Named(patient="Ann"), Named(case="C2", patient="Ann"), Named()]
    found = DicomPatients(rows, ignores_headers=True)
    assert [found.case(row) for row in rows[:3]] == [("patient", name) for name in ("C1", "Ann", "Ann")]
    assert [found.patient(row) for row in rows[:3]] == [NOBODY, ("patient", "Ann"), ("patient", "Ann")]
    with pytest.raises(RowError, match="--ignore-patient-ids takes none of its images; fill the cell"):
        found.case(rows[3])


def test_the_order_of_rows_does_not_matter_and_no_patient_is_divided() -> None:
    """Cases and patients drawn at random: what shares a PatientID or a case is one, found by spreading it."""
    draw = random.Random(1)
    for _ in range(50):
        rows = [Named((of(f"P{draw.randrange(12)}"),), draw.choice(["", f"C{draw.randrange(12)}"])) for _ in range(20)]
        group = list(range(20))
        for _ in rows:
            for one in range(20):
                for other in range(20):
                    if rows[one].headers == rows[other].headers or rows[one].case == rows[other].case != "":
                        group[one] = group[other] = min(group[one], group[other])
        found = DicomPatients(rows)
        cases = [found.case(row) for row in rows]
        assert [cases.index(case) for case in cases] == [group.index(number) for number in group]
        mixed = DicomPatients(draw.sample(rows, 20))
        assert [mixed.case(row) for row in rows] == cases


def test_patients_who_are_shown_in_one_row_are_not_told_apart() -> None:
    """Each has rows of its own, and one row compares both: no part may hold only one of them."""
    rows = [Named((of("P1"),), "pair", "P1"), Named((of("P2"),), "pair", "P2"), Named((of("P1"), of("P2")), "pair")]
    found = DicomPatients(rows)
    assert {found.patient(row) for row in rows} == {("patient", "P1")}


def test_a_row_that_is_refused_joins_nobody() -> None:
    """The second row shows both patients, and nothing says that they are of one case; a later row may say so."""
    both = Named((of("P1"), of("P2")))
    alone = Named((of("P2"),))
    found = DicomPatients([Named((of("P1"),)), both, alone])
    with pytest.raises(RowError, match="the images are of several patients"):
        found.case(both)
    assert (found.case(alone), found.patient(alone)) == (("patient", "P2"), ("patient", "P2"))
    named = DicomPatients([both, alone, Named(both.headers, "pair")])
    assert named.case(both) == named.patient(alone) == ("patient", "P1")


def test_several_names_of_one_patient_are_told_and_several_patients_of_a_family_are_not() -> None:
    family = [Named((of("P1"),), "family", "Ann"), Named((of("P2"),), "family", "Bob")]
    assert DicomPatients(family).notes() == [
        "cases of the table that are several patients by the headers of their images: 1"
    ]
    several = DicomPatients([*family, Named((of("P2"),), "family", "Rob")]).notes()
    assert "patients by their headers for whom the table has several names: 1" in several[0]


def test_the_names_of_a_row_are_those_of_its_headers_and_of_the_table() -> None:
    assert Named((of("P1", "1.2"), of("P2")), "family", "Ann").names == [
        ("patient", "P1"), ("study", "1.2"), ("patient", "P2"), ("table case", "family"), ("table patient", "Ann"),
    ]  # fmt: skip
    assert Named((of("P1"),)).names == [("patient", "P1")]
