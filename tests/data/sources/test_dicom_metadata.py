"""Which fields of a DICOM header go on."""

from typing import Any

import pytest

from medix.data.sources.dicom_metadata import (
    answer_from,
    check_answer_field,
    has_square_pixels,
    metadata_of,
    stated_answer,
)
from medix.data.sources.source import RowError
from tests.support.dicoms import header

IDENTIFYING = {
    "PatientName": "Doe^Jane", "PatientID": "MRN 4711", "PatientBirthDate": "19700101", "PatientSex": "F",
    "PatientAge": "056Y", "AccessionNumber": "A1", "InstitutionName": "St. Elsewhere", "StudyDate": "20261129",
    "ReferringPhysicianName": "House^G", "StudyDescription": "Doe, chest", "SeriesDescription": "for Dr. House",
    "ProtocolName": "Doe", "DeviceSerialNumber": "77", "StationName": "CT3", "OperatorsName": "Nurse^A",
    "PatientComments": "call 555-1234", "ImageComments": "Jane", "RequestedProcedureDescription": "Doe",
}  # fmt: skip


def test_only_the_listed_fields_go_on() -> None:
    found = metadata_of(
        [header(**IDENTIFYING, BodyPartExamined="CHEST", ImageType=["ORIGINAL", "PRIMARY"], SliceThickness="2.50",
               PixelSpacing=["0.7", "0.7"])]
    )  # fmt: skip
    assert found == {
        "body_part": "CHEST", "image_type": "ORIGINAL\\PRIMARY", "slice_thickness_mm": "2.5",
        "pixel_spacing_mm": "0.7\\0.7",
    }  # fmt: skip


def test_fields_that_are_no_terms_are_dropped() -> None:
    assert (
        metadata_of([header(BodyPartExamined="Chest of Jane Doe", ImageType=["ORIGINAL", "seen by Dr. House"])]) == {}
    )


def test_the_modality_as_answer_comes_with_its_synonyms() -> None:
    stated = stated_answer(header(), "CT_SCAN", "modality")
    assert answer_from([stated], "modality") == ("CT", "CT scan", "computed tomography")


@pytest.mark.parametrize(
    ("elements", "name", "expected"),
    [
        ({"BodyPartExamined": "CHEST"}, "BodyPartExamined", ("CHEST",)),
        ({"ViewPosition": "PA"}, "ViewPosition", ("PA",)),
        ({"Laterality": "L"}, "Laterality", ("left",)),
        ({"ImageLaterality": "B"}, "ImageLaterality", ("both",)),
        ({"ScanningSequence": ["GR", "IR"]}, "ScanningSequence", ("GR\\IR",)),
        ({"SequenceVariant": ["SK", "SP", "OSP"]}, "SequenceVariant", ("SK\\SP\\OSP",)),
    ],
)
def test_a_field_as_answer_has_all_of_its_values(
    elements: dict[str, Any], name: str, expected: tuple[str, ...]
) -> None:
    """As the metadata have them: of gradient echo with inversion recovery, GR alone would be another sequence."""
    one = header(**elements)
    assert answer_from([stated_answer(one, "CT_SCAN", check_answer_field(name))], name) == expected
    assert name.endswith("Laterality") or expected[0] in metadata_of([one]).values()


@pytest.mark.parametrize(
    ("elements", "tag", "name"),
    [
        ({}, "CT_SCAN", "ViewPosition"),
        ({"ImageLaterality": "U"}, "X_RAY", "ImageLaterality"),
        ({}, "OTHER", "modality"),
    ],
)
def test_a_header_without_the_answer_is_refused(elements: dict[str, str], tag: str, name: str) -> None:
    with pytest.raises(RowError, match="has no answer") as caught:
        answer_from([stated_answer(header(**elements), tag, name)], name)
    assert (caught.value.kind, caught.value.refused) == ("no_answer", True)


@pytest.mark.parametrize("name", ["PatientName", "PatientSex", "StudyDescription", "bodypart", "ImageType", ""])
def test_other_fields_are_no_answers(name: str) -> None:
    with pytest.raises(ValueError, match="give modality or one of BodyPartExamined, ViewPosition"):
        check_answer_field(name)


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({}, True),
        ({"PixelSpacing": ["0.5", "0.502"]}, True),
        ({"PixelSpacing": ["0.5", "1"]}, False),
        ({"PixelAspectRatio": ["4", "3"], "PixelSpacing": ["1", "1"]}, False),
        ({"PixelSpacing": ["0", "1"]}, True),
    ],
)
def test_pixels_that_are_not_square(elements: dict[str, list[str]], expected: bool) -> None:
    assert has_square_pixels(header(**elements)) == expected


def test_values_of_several_images_are_joined_where_they_differ() -> None:
    left = header(ImageLaterality="L", ViewPosition="CC", BodyPartExamined="BREAST", KVP="28")
    right = header(ImageLaterality="R", ViewPosition="CC", KVP="31")
    assert metadata_of([left, right, left]) == {
        "body_part": "BREAST | not stated", "view": "CC", "image_laterality": "L | R", "kvp": "28 | 31",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "one", "other", "told"),
    [
        ("ImageLaterality", "L", "R", "L | R"),
        ("ImageLaterality", "L", "", "L | not stated"),
        ("ScanningSequence", ["GR", "IR"], "GR", "GR\\IR | GR"),
    ],
)
def test_headers_that_differ_have_no_answer(name: str, one: Any, other: Any, told: str) -> None:
    stated = [stated_answer(header(**{name: value}), "MRI_SCAN", name) for value in (one, one, other)]
    assert answer_from(stated[:2], name)
    with pytest.raises(RowError, match="the headers of the images differ") as caught:
        answer_from(stated, name)
    assert (caught.value.value, caught.value.kind, caught.value.refused) == (told, "no_answer", True)
