"""DICOM files: images and volumes, with questions."""

import io
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.data
import pytest
from PIL import Image

from medix.data.partition import PATIENT_FIELDS, Partition
from medix.data.prompt_errors import MarkerError
from medix.data.row_pool import outcomes
from medix.data.sample_modality import with_modality
from medix.data.sources.csv_file import CsvSource
from medix.data.sources.dicom import DicomSource
from medix.data.sources.dicom_burned_in import BurnedInText
from medix.data.sources.dicom_pseudonyms import Pseudonyms
from medix.data.sources.dicom_series import FrameChoice
from medix.data.sources.dicom_window import WindowChoice
from medix.data.sources.source import RowError
from medix.data.sources.table_schema import Columns, TableData
from medix.data.sources.table_source import Reading
from medix.modality import ModalitySet
from medix.types import Sample
from tests.support.dicoms import ULTRASOUND, write
from tests.support.sources import faults, results, samples

MAMMOGRAM = "1.2.840.10008.5.1.4.1.1.1.2"
BUNDLED = Path(pydicom.data.__file__).parent / "test_files"
PSEUDONYMS = Pseudonyms("a secret of a hospital")
AXIAL = ["1", "0", "0", "0", "1", "0"]
STUDIES = {"a": "MRN 4711", "b": "MRN 4712"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two patients, each with a volume of five slices (of the shade 10 z) and a radiograph."""
    for place, (name, patient) in enumerate(STUDIES.items(), start=1):
        study = f"1.2.{place}"
        common = {"PatientID": patient, "StudyInstanceUID": study}
        for z in range(5):
            write(
                tmp_path / "in" / name / f"{(7 * z) % 5}",  # neither names nor numbers follow the position
                np.full((2, 2), 10 * z, np.uint8), SOPInstanceUID=f"{study}.1.{z}", SeriesInstanceUID=f"{study}.1",
                ImageOrientationPatient=AXIAL, ImagePositionPatient=["0", "0", str(2.5 * z)],
                InstanceNumber=str(5 - z), BodyPartExamined="CHEST", **common,
            )  # fmt: skip
        write(
            tmp_path / "in" / name / "xr", np.array([[0, 7], [100, 255]], np.uint8), Modality="CR",
            SOPClassUID="1.2.840.10008.5.1.4.1.1.1", SOPInstanceUID=f"{study}.2.1", SeriesInstanceUID=f"{study}.2",
            ViewPosition="PA", **common,
        )  # fmt: skip
    return tmp_path / "in"


def asked(root: Path, answer: str = "modality", **options: Any) -> DicomSource:
    return DicomSource(root, PSEUDONYMS, question="Which modality is it?", answer=answer, **options)


def table(root: Path, text: str, **options: Any) -> DicomSource:
    (root.parent / "q.csv").write_text(text)
    return DicomSource(root, PSEUDONYMS, CsvSource(root.parent / "q.csv"), **options)


def shades(sample: Sample) -> list[int]:
    return [Image.open(io.BytesIO(image)).getpixel((0, 0)) for image in sample.images]


def test_one_question_is_asked_of_every_volume_and_of_every_image_that_stands_alone(root: Path) -> None:
    found = samples(asked(root))
    assert [(one.modality, one.reference, shades(one)) for one in found] == 2 * [
        ("CT_SCAN", "CT", [20]),
        ("X_RAY", "X-ray", [0]),
    ]
    assert found[0].aliases == ("CT scan", "computed tomography")
    study = str(pydicom.dcmread(root / "a" / "0").StudyInstanceUID)
    assert found[0].metadata == {
        "body_part": "CHEST", "frames": "2", "window": "0..255", "burned_in_text": "not stated",
        "case_names": PSEUDONYMS.of("study", study),
    }  # fmt: skip


def test_every_header_is_read_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = asked(root)
    assert source.total() == 4
    monkeypatch.setattr("medix.data.sources.dicom_folder.read_header", None)
    assert len(list(source.rows())) == 4


def test_the_slices_of_a_volume_are_in_the_order_of_their_position(root: Path) -> None:
    every, three = (samples(asked(root, frames=FrameChoice(number)))[0] for number in (None, 3))
    assert (shades(every), shades(three)) == ([0, 10, 20, 30, 40], [0, 20, 40])
    assert (every.metadata["frames"], three.metadata["frames"]) == ("0,1,2,3,4", "0,2,4")


def test_patients_studies_and_images_have_pseudonyms_and_nothing_else_of_the_header_goes_on(root: Path) -> None:
    first, alone, other, _ = found = samples(asked(root))
    assert first.case == alone.case == PSEUDONYMS.of("patient", "MRN 4711") != other.case
    assert alone.id == PSEUDONYMS.of("image", "1.2.1.2.1")
    assert len({one.id for one in found}) == 4
    told = repr(found)
    assert not [word for word in ("4711", "Doe", "1.2.1", "Jane") if word in told]


@pytest.mark.parametrize("patient", ["", None, " "])
def test_without_a_patient_the_study_is_the_case(tmp_path: Path, patient: str | None) -> None:
    write(tmp_path / "one", PatientID=patient)
    assert samples(asked(tmp_path))[0].case == PSEUDONYMS.of("study", "1.2.3")


@pytest.mark.parametrize("patient", ["x\x1b[31m", "山田^太郎", "y" * 100_000])
def test_a_patient_of_any_text_is_a_pseudonym(tmp_path: Path, patient: str) -> None:
    write(tmp_path / "one", PatientID=patient, SpecificCharacterSet="ISO_IR 192")
    assert len(samples(asked(tmp_path))[0].case) == 16


def test_the_answer_from_a_field_and_images_without_it(root: Path) -> None:
    found = results(asked(root, "ViewPosition"))
    assert [one.reference if isinstance(one, Sample) else one.kind for _, one in found] == ["no_answer", "PA"] * 2


@pytest.mark.parametrize("number", [1, 2, None])
def test_a_volume_whose_slices_differ_in_the_answer_is_refused_whichever_are_shown(root: Path, number: Any) -> None:
    """The part of the middle slice would be that of the whole volume."""
    first = pydicom.dcmread(root / "a" / "0")
    first.BodyPartExamined = "NECK"
    first.save_as(root / "a" / "0")
    (_, refused), _, (_, whole), _ = results(asked(root, "BodyPartExamined", frames=FrameChoice(number)))
    assert isinstance(refused, RowError)
    assert (refused.value, refused.kind, refused.refused) == ("NECK | CHEST", "no_answer", True)
    assert isinstance(whole, Sample)
    assert whole.reference == "CHEST"


def test_files_of_several_frames(tmp_path: Path) -> None:
    frames = np.arange(6, dtype=np.uint8).reshape(6, 1, 1).repeat(2, 1).repeat(2, 2)
    write(tmp_path / "six", frames, SOPClassUID=ULTRASOUND, Modality="US", BurnedInAnnotation="NO")
    (found,) = samples(asked(tmp_path, frames=FrameChoice(2)))
    assert (shades(found), found.metadata["frames"]) == ([1, 4], "1,4")


def test_a_table_names_files_folders_and_series(root: Path) -> None:
    source = table(
        root,
        "id,image,question,answer\n"
        "1,a/xr,Which view?,PA\n"
        "2,1.2.2.1,What is seen in <image>?,a node\n"
        '3,"[""a/0"", ""1.2.1.1"", ""a/xr""]",First <image> then <image> then <image>?,nothing\n',
        frames=FrameChoice(2),
        modality="CT_SCAN",
    )
    one, two, three = samples(source)
    assert (shades(one), one.reference, one.modality) == ([0], "PA", "CT_SCAN")
    assert (shades(two), two.question) == ([10, 30], "What is seen in <image><image>?")
    assert (shades(three), three.question) == ([0, 10, 30, 0], "First <image> then <image><image> then <image>?")
    assert [sample.id for sample in (one, two, three)] == ["1", "2", "3"]
    assert two.case == PSEUDONYMS.of("patient", "MRN 4712")


def test_rows_without_an_id_have_one_of_their_content_that_names_no_file(root: Path) -> None:
    text = "image,question,answer\na/xr,Which view?,PA\nb/xr,Which view?,PA\n"
    source = table(root, text)
    one, two = samples(source)
    assert not source.has_ids
    assert one.id != two.id
    other = DicomSource(root, Pseudonyms("another secret"), CsvSource(root.parent / "q.csv"))
    assert samples(other)[0].id != one.id


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("1.2.9.9,What?,x", "no file of this series"),
        ("../q.csv,What?,x", "leads out of"),
        ("gone,What?,x", "there is no such file"),
        ('"[""a/xr"", ""b/xr""]",What?,x', "the images are of several patients"),
        ('"[""a/xr"", ""a/0""]",What?,x', "the images are of several modalities"),
        ("a,<image 2>?,x", "the question names image 2"),
    ],
)
def test_rows_that_become_no_sample_leave_the_others_unharmed(root: Path, row: str, told: str) -> None:
    source = table(root, f"image,question,answer\na/xr,What?,x\n{row}\nb/xr,What?,x\n")
    (fault,) = faults(source)
    assert told in fault
    assert "q.csv, row 2" in fault
    assert sum(isinstance(one, Sample) for _, one in results(source)) == 2


def test_a_modality_of_the_table_is_taken_and_told(root: Path) -> None:
    source = table(root, "image,question,answer\na/xr,What?,<CT_SCAN>\n")
    assert "no reference after the tag" in faults(source)[0]
    source = table(root, 'image,question,answer\na/xr,What?,"<CT_SCAN>\nx"\n')
    assert samples(source)[0].modality == "CT_SCAN"
    assert source.counts["modality differs"] == 1
    source = table(root, "image,question,answer,modality\na/xr,What?,x,XA\nb/xr,What?,x,XY\n")
    assert [one.modality for _, one in results(source) if isinstance(one, Sample)] == ["ANGIOGRAPHY"]  # a code of DICOM
    assert "modality: 'XY'; it is no tag" in faults(source)[0]


def test_a_modality_of_the_table_against_that_of_the_command_line_is_a_fault(root: Path) -> None:
    (found,) = samples(table(root, 'image,question,answer\na/xr,What?,"<CT_SCAN>\nx"\n', modality="MRI_SCAN"))
    with pytest.raises(RowError, match="modality: 'CT_SCAN'; --modality says MRI_SCAN"):
        with_modality(found, "MRI_SCAN", ModalitySet())


def test_a_case_of_the_table_is_a_pseudonym_as_that_of_the_header(root: Path) -> None:
    """A column of patients names people, and rows without one are of the same patient."""
    stated, unstated = samples(table(root, "image,question,answer,patient\na/xr,What?,x,MRN 4711\na/xr,Why?,x,\n"))
    assert stated.case == unstated.case == PSEUDONYMS.of("patient", "MRN 4711")
    assert stated.metadata["patient"] == unstated.metadata["patient"] == stated.case


@pytest.mark.parametrize("name", PATIENT_FIELDS)
def test_rows_are_divided_by_the_patient_that_a_column_names_and_only_its_pseudonym_goes_on(
    root: Path, name: str
) -> None:
    """Also where a schema makes it a subgroup, and a column of cases stands beside it, which divides no patient."""
    text = f"image,question,answer,case,{name}\na/xr,What?,x,study 1,MRN 4711\na/xr,Why?,x,study 2,\n"
    for data in (None, TableData(Columns("question", "answer", images=["image"], case="case", subgroup={name: name}))):
        made = table(root, text)
        made.questions = CsvSource(root.parent / "q.csv", Reading(data=data))
        found = samples(made)
        assert [one.case for one in found] == 2 * [PSEUDONYMS.of("patient", "MRN 4711")]
        assert "patients by their headers for whom the table has several names: 1" in "".join(made.notes(Counter()))
        by = Partition.parse("train=0.5,val=0.5", "patient")
        assert {by._unit(one) for one in found} == {("patient", PSEUDONYMS.of("patient", "MRN 4711"))}
        assert not any("MRN" in value for one in found for value in one.metadata.values())


@pytest.mark.parametrize("number", [None, 1])
def test_slices_of_two_patients_in_one_series_are_a_fault_and_no_volume(root: Path, number: int | None) -> None:
    """Also where the frames shown are of one patient."""
    for name in map(str, range(5)):
        header = pydicom.dcmread(root / "b" / name)
        header.SeriesInstanceUID = "1.2.1.1"
        header.save_as(root / "b" / name)
    frames = FrameChoice(number)
    for source in (asked(root, frames=frames), table(root, "image,question,answer\n1.2.1.1,What?,x\n", frames=frames)):
        (fault,) = faults(source)
        assert "the images are of several patients; name those of one, in a table" in fault
    source = table(root, "image,question,answer,case\n1.2.1.1,What?,x,c\n", frames=frames)
    assert samples(source)[0].case == PSEUDONYMS.of("patient", "MRN 4711")


def test_a_case_lists_its_patients_and_its_name_in_the_table(root: Path) -> None:
    """So that a build of one patient of a family is compared with one of the whole family."""
    family = table(root, "image,question,answer,case\na/xr,What?,x,c\nb/xr,What?,x,c\n")
    first, second = samples(family)
    stated = PSEUDONYMS.of("table case", "c")
    assert first.case == second.case == PSEUDONYMS.of("patient", "MRN 4711")
    studies = [PSEUDONYMS.of("study", str(pydicom.dcmread(root / name / "xr").StudyInstanceUID)) for name in "ab"]
    assert first.metadata["case_names"] == f"{studies[0]} {stated}"
    assert second.metadata["case_names"] == f"{PSEUDONYMS.of('patient', 'MRN 4712')} {studies[1]} {stated}"
    (alone,) = samples(table(root, "image,question,answer\nb/xr,What?,x\n"))
    assert alone.case in second.metadata["case_names"].split()
    assert alone.metadata["case_names"] == studies[1]


def test_a_study_whose_files_lack_the_patient_id_elsewhere_is_found_by_its_own_name(root: Path) -> None:
    row = "image,question,answer\nb/xr,What?,x\n"
    (named,) = samples(table(root, row))
    header = pydicom.dcmread(root / "b" / "xr")
    del header.PatientID
    header.save_as(root / "b" / "xr")
    (unnamed,) = samples(table(root, row))
    assert named.case != unnamed.case
    assert unnamed.case in named.metadata["case_names"].split()
    assert "case_names" not in unnamed.metadata


def test_images_of_two_patients_under_one_stated_case_are_told_and_so_are_all_images_of_both(root: Path) -> None:
    source = table(root, 'image,question,answer,case\na/0,Why?,x,\n"[""a/xr"", ""b/xr""]",Same?,no,c\nb/0,Why?,x,\n')
    found = samples(source)
    assert [len(one.images) for one in found] == [1, 2, 1]
    assert {one.case for one in found} == {PSEUDONYMS.of("patient", "MRN 4711")}
    told = "cases of the table that are several patients by the headers of their images: 1"
    assert [note for note in source.notes(source.counts) if note == told]


def test_a_patient_is_of_one_case_however_few_of_its_rows_name_it(root: Path) -> None:
    """The table names the case of one row of patient a; the case of patient b is named by none."""
    source = table(root, "image,question,answer,case\na/xr,What?,x,STUDY-1\na/0,Why?,x,\nb/xr,What?,x,\n")
    expected = [PSEUDONYMS.of("patient", f"MRN {number}") for number in (4711, 4711, 4712)]
    assert [one.case for one in samples(source)] == expected


def test_patients_of_whole_numbers_are_those_of_patient_ids_with_leading_zeros(root: Path) -> None:
    for name in ("xr", "0"):
        header = pydicom.dcmread(root / "a" / name)
        header.PatientID = "00007"
        header.save_as(root / "a" / name)
    stated, unstated = samples(table(root, "image,question,answer,patient\na/xr,What?,x,7\na/0,Why?,x,\n"))
    assert stated.case == unstated.case == PSEUDONYMS.of("patient", "00007") == stated.metadata["patient"]
    assert unstated.metadata["patient"] == stated.case


def test_the_table_alone_says_whose_images_are_where_patient_ids_are_placeholders(root: Path) -> None:
    text = "image,question,answer,case\na/xr,What?,x,1\na/0,What?,x,2\nb/0,What?,x,2\nb/xr,Why?,x,\n"
    source = table(root, text, ignores_patient_ids=True)
    found = [one.case for _, one in results(source) if isinstance(one, Sample)]
    assert found == [PSEUDONYMS.of("patient", number) for number in "122"]
    assert "row 4: case: None; the row names neither case nor patient" in faults(source)[0]
    assert source.fingerprint() != table(root, text).fingerprint()
    with pytest.raises(ValueError, match="--ignore-patient-ids: only a table of questions can name patients"):
        asked(root, ignores_patient_ids=True)


def test_the_end_of_a_build_says_what_was_decided_without_being_told(root: Path) -> None:
    source = asked(root)
    notes = source.notes(Counter({"burned_in not stated": 3, "window range": 2, "window blank": 1}))
    assert len(notes) == 3
    assert notes[0] == "images that do not say whether text is burned into their pixels: 3; look at some"


def test_slices_that_are_left_out_of_a_volume_are_named_and_counted(root: Path) -> None:
    """They are rows of their own, and the volume goes on without them: another slice is in its middle."""
    volume = samples(asked(root))[0].id
    for name, elements in (("8", {"BurnedInAnnotation": "YES"}), ("9", {"Rows": 0})):
        write(root / "a" / name, SOPInstanceUID=f"1.2.1.1.{name}", SeriesInstanceUID="1.2.1.1", **elements)
    source = asked(root)
    held, counts = [], Counter[str]()
    for outcome in outcomes(source, enumerate(source.rows()), 1):
        held.append(outcome.result)
        counts += outcome.counts
    first, alone, *others = [one for one in held if isinstance(one, Sample)]
    assert (first.id, first.metadata["slices_left_out"]) == (volume, "2")
    assert not [one for one in (alone, *others) if "slices_left_out" in one.metadata]
    faulty = [one for one in held if isinstance(one, RowError)]
    assert [one.kind for one in faulty] == ["burned_in", "no_pixels"]
    assert all(one.remedy.endswith(f"volume {volume} is without it") for one in faulty)
    assert source.notes(counts)[0].startswith("volumes without slices that are left out: 1, without 2 slices;")


def test_files_of_an_unknown_series_are_told_where_a_series_is_named(root: Path) -> None:
    (root / "a" / "5").write_bytes((root / "a" / "0").read_bytes()[:180])
    source = table(root, "image,question,answer\n1.2.1.1,What?,x\n")
    assert len(samples(source)) == 1
    assert "because their headers cannot be read: 1; if one belongs" in source.notes(Counter())[-1]
    source = asked(root)
    assert len(list(source.rows())) == 5
    assert "because their headers cannot be read: 1; if one belongs" in source.notes(Counter())[-1]


def test_the_fingerprint_is_of_files_and_settings(root: Path) -> None:
    source = asked(root)
    same = asked(root).fingerprint()
    assert source.fingerprint() == same
    others = [
        asked(root, frames=FrameChoice(2)), asked(root, window=WindowChoice.parse("lung")), asked(root, "ViewPosition"),
        asked(root, burned_in=BurnedInText("me")), asked(root, modality="OTHER"),
        DicomSource(root, Pseudonyms("another secret"), question=source.question, answer="modality"),
        table(root, "image,question,answer\na/xr,What?,x\n"),
    ]  # fmt: skip
    write(root / "a" / "xr2", SOPInstanceUID="1.2.1.2.2")
    assert len({same, asked(root).fingerprint(), *(one.fingerprint() for one in others)}) == 9


@pytest.mark.parametrize(
    "options",
    [{}, {"question": "What?"}, {"answer": "modality"}, {"question": "What?", "answer": "modality", "questions": 1}],
)
def test_questions_come_from_one_place(root: Path, options: dict[str, Any]) -> None:
    if "questions" in options:
        options["questions"] = CsvSource(root)
    with pytest.raises(ValueError, match="--from dicom needs questions"):
        DicomSource(root, PSEUDONYMS, **options)


def test_a_question_for_every_image_places_one(root: Path) -> None:
    with pytest.raises(MarkerError, match="2 image markers for 1 image"):
        DicomSource(root, PSEUDONYMS, question="<image> or <image>?", answer="modality")


def test_a_sample_of_too_many_pixels_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medix.data.sources.dicom_file.MAX_PIXELS", 16)
    assert len(samples(asked(root, frames=FrameChoice(4)))) == 4
    assert ["too_large" for _, one in results(asked(root, frames=FrameChoice(5))) if isinstance(one, RowError)]


OUTCOMES = {
    "CT_SCAN": 12, "MRI_SCAN": 26, "X_RAY": 5, "no_pixels": 57, "not_an_image": 16, "not_dicom": 10, "dicomdir": 8,
    "damaged": 2,
}  # fmt: skip
"""Of the 176 files that come with pydicom 3.0.2, whoever has looked at their pixels."""

PIXELS_NOT_SEEN = {"burned_in": 40}
PIXELS_SEEN = {"ULTRASOUND": 5, "OTHER": 32, "undecodable": 2, "malformed": 1}
"""JPEG of twelve bits, and a codestream that states billions of columns."""


@pytest.mark.parametrize(("who", "others"), [("A. Nurse", PIXELS_SEEN), ("", PIXELS_NOT_SEEN)])
def test_every_file_that_comes_with_pydicom_is_a_sample_or_has_a_reason(
    tmp_path: Path, who: str, others: dict[str, int]
) -> None:
    names = sorted(str(path.relative_to(BUNDLED)) for path in BUNDLED.rglob("*") if path.is_file())
    (tmp_path / "q.csv").write_text("".join(["image,question,answer\n", *(f"{name},What?,x\n" for name in names)]))
    source = DicomSource(BUNDLED, PSEUDONYMS, CsvSource(tmp_path / "q.csv"), burned_in=BurnedInText(who))
    found = [one for _, one in results(source)]
    counts = Counter(str(one.modality) if isinstance(one, Sample) else one.kind for one in found)
    assert dict(counts) == OUTCOMES | others
    assert counts.total() == len(names)


def test_what_was_decided_about_choices_of_a_table_is_told(root: Path) -> None:
    source = table(root, "id,image,question,answer,A,B,C\n1,a/xr,Side?,right,left,right,NA\n")
    counts = sum((found.counts for found in outcomes(source, enumerate(source.rows()), 1)), Counter())
    assert [note for note in source.notes(counts) if note.startswith("rows whose last choice is such a word")]


def test_the_metadata_and_the_modality_of_a_row_are_those_of_all_its_images(root: Path) -> None:
    """One of two sides is not that of both, and one of two modalities is told to be another."""
    for side in "LR":
        write(root / side, Modality="MG", SOPClassUID=MAMMOGRAM, SOPInstanceUID=f"1.{side == 'L':d}", ViewPosition="CC",
              ImageLaterality=side)  # fmt: skip
    both, mixed = """1,"[""L"", ""R""]",Which?,left,""", """2,"[""a/0"", ""a/xr""]",Which?,left,"""
    source = table(root, f"id,image,question,answer,modality\n{both}\n{mixed}\n{mixed.replace('2', '3', 1)}CR\n")
    (one, none, stated), counts = (one for _, one in results(source)), source.counts
    assert isinstance(one, Sample)
    assert isinstance(stated, Sample)
    assert (one.modality, one.metadata["image_laterality"], one.metadata["view"]) == ("MAMMOGRAPHY", "L | R", "CC")
    assert (stated.modality, stated.metadata["view"]) == ("X_RAY", "not stated | PA")
    assert isinstance(none, RowError)
    assert (none.kind, counts["modality differs"]) == ("several_modalities", 1)


def test_a_modality_of_the_command_line_is_told_where_headers_state_another_and_answers_none(root: Path) -> None:
    """Volumes are of CT, radiographs X-rays; one header states nothing, and one contradicts itself."""
    write(root / "none", Modality="", SOPClassUID="1.2.840.10008.5.1.4.1.1.7", SOPInstanceUID="1.2.7",
          BurnedInAnnotation="NO")  # fmt: skip
    write(root / "both", Modality="MR", SOPInstanceUID="1.2.6", SeriesInstanceUID="1.2.5")
    text = "image,question,answer\n" + "".join(f"{name},Q,CT\n" for name in ("a/0", "a/xr", "b/xr", "none", "both"))
    options: dict[str, Any] = {"modality": "CT_SCAN", "burned_in": BurnedInText("me")}
    for source, references, number in (
        (asked(root, **options), {"CT": 2, "X-ray": 2, "no_answer": 2}, 2),
        (table(root, text, **options), {"CT": 5}, 3),
    ):
        found = list(outcomes(source, enumerate(source.rows()), 1))
        made = [one.result for one in found]
        assert Counter(one.reference if isinstance(one, Sample) else one.kind for one in made) == references
        assert {one.modality for one in made if isinstance(one, Sample)} == {"CT_SCAN"}
        told = source.notes(sum((one.counts for one in found), Counter()))
        assert [note for note in told if "modality" in note and "columns" not in note] == [
            f"rows of another modality than the header of one of their images states: {number}"
        ]


def test_a_value_of_the_table_comes_before_that_of_the_header(root: Path) -> None:
    (root.parent / "q.csv").write_text("image,question,answer,proj,side\na/xr,Q,a,lateral,\n")
    columns = Columns("question", "answer", images=["image"], subgroup={"view": "proj", "image_laterality": "side"})
    (found,) = samples(DicomSource(root, PSEUDONYMS, CsvSource(root.parent / "q.csv", Reading(TableData(columns)))))
    assert found.metadata["view"] == "lateral"
