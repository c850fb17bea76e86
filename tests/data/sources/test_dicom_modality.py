"""The modality tag of a DICOM image."""

import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts

from medix.data.sources.dicom_modality import NO_IMAGE, TAG_OF_CODE, TAG_OF_SOP_CLASS, DicomModality
from medix.data.sources.source import RowError
from medix.modality import PAPER_MODALITIES
from tests.support.dicoms import CT, SECONDARY_CAPTURE, ULTRASOUND, header, item

MR = "1.2.840.10008.5.1.4.1.1.4"
NUCLEAR = "1.2.840.10008.5.1.4.1.1.20"


def tag(**elements: object) -> tuple[str, str]:
    found = DicomModality.of(header(**elements))
    return found.tag, found.by


def test_every_code_of_the_standard_has_a_tag_or_is_no_image() -> None:
    codes = {
        code
        for group in (29, 32, 33)
        for scheme, names in cid_concepts.get(group, {}).items()
        for name in names
        for code, (_, groups) in concepts[scheme][name].items()
        if group in groups
    }
    assert len(codes) > 70
    assert codes - TAG_OF_CODE.keys() - NO_IMAGE == set()
    assert not TAG_OF_CODE.keys() & NO_IMAGE


def test_every_tag_is_one_of_the_paper_and_all_of_them_occur() -> None:
    assert set(TAG_OF_CODE.values()) == set(PAPER_MODALITIES)
    assert set(TAG_OF_SOP_CLASS.values()) <= set(PAPER_MODALITIES)


@pytest.mark.parametrize(
    ("code", "sop_class", "expected"),
    [
        ("CT", CT, ("CT_SCAN", "modality")),
        ("CT", SECONDARY_CAPTURE, ("CT_SCAN", "modality")),
        ("OT", CT, ("CT_SCAN", "sop_class")),
        (None, ULTRASOUND, ("ULTRASOUND", "sop_class")),
        ("HOUSE CODE", MR, ("MRI_SCAN", "sop_class")),
        ("OT", SECONDARY_CAPTURE, ("OTHER", "modality")),
        (None, SECONDARY_CAPTURE, ("OTHER", "unknown")),
        ("HOUSE CODE", SECONDARY_CAPTURE, ("OTHER", "unknown")),
        ("MG", "1.2.840.10008.5.1.4.1.1.1", ("MAMMOGRAPHY", "modality")),  # a mammogram from a cassette
        ("RF", "1.2.840.10008.5.1.4.1.1.12.1", ("FLUOROSCOPY", "modality")),
        ("IVOCT", "1.2.840.10008.5.1.4.1.1.14.1", ("OCT_SCAN", "modality")),
        ("NM", NUCLEAR, ("OTHER", "modality")),
    ],
)
def test_the_code_decides_and_the_class_helps_where_it_does_not(
    code: str | None, sop_class: str, expected: tuple[str, str]
) -> None:
    assert tag(Modality=code, SOPClassUID=sop_class) == expected


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "X_RAY"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"]}, "CT_SCAN"),
        ({"ImageType": "ORIGINAL"}, "CT_SCAN"),
        ({"Modality": "CR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1", "BodyPartExamined": "BREAST"}, "MAMMOGRAPHY"),
        ({"Modality": "CR", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.1", "BodyPartExamined": "CHEST"}, "X_RAY"),
        ({"Modality": "NM", "SOPClassUID": NUCLEAR, "ImageType": ["ORIGINAL", "PRIMARY", "RECON TOMO"]}, "SPECT"),
        ({"Modality": "NM", "SOPClassUID": NUCLEAR, "ImageType": ["ORIGINAL", "PRIMARY", "WHOLE BODY"]}, "OTHER"),
        ({"Modality": "OP", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.77.1.5.1"}, "FUNDUS_PHOTOGRAPHY"),
    ],
)
def test_image_type_and_body_part_tell_apart_what_shares_a_code(elements: dict[str, object], expected: str) -> None:
    assert tag(**elements)[0] == expected


def test_a_photograph_of_the_cornea_is_no_fundus() -> None:
    regions = [item(CodeValue="28726007", CodingSchemeDesignator="SCT")]
    found = tag(Modality="OP", SOPClassUID="1.2.840.10008.5.1.4.1.1.77.1.5.1", AnatomicRegionSequence=regions)
    assert found == ("CLINICAL_PHOTOGRAPHY", "modality")


@pytest.mark.parametrize(
    "elements",
    [{"Modality": code} for code in sorted(NO_IMAGE)]
    + [{"Modality": "OT", "SOPClassUID": "1.2.840.10008.5.1.4.1.1.66.4"}],
)
def test_objects_without_an_image_of_their_own_are_refused(elements: dict[str, object]) -> None:
    with pytest.raises(RowError, match="no image of their own") as caught:
        tag(**elements)
    assert (caught.value.kind, caught.value.refused) == ("not_an_image", True)


def test_a_code_that_the_class_contradicts_is_a_fault() -> None:
    with pytest.raises(RowError, match=r"the SOP class is CT Image Storage.*--modality") as caught:
        tag(Modality="MR", SOPClassUID=CT)
    assert (caught.value.kind, caught.value.refused) == ("contradiction", False)
