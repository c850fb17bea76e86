"""Text that is burned into the pixels of a DICOM image."""

import pytest

from medix.data.sources.dicom_burned_in import NOBODY_LOOKED, BurnedInText
from medix.data.sources.source import RowError
from tests.support.dicoms import CT, SECONDARY_CAPTURE, header

ENDOSCOPY_CLASS = "1.2.840.10008.5.1.4.1.1.77.1.1"  # begins with the digits of secondary captures


@pytest.mark.parametrize(
    ("stated", "tag", "sop_class", "expected"),
    [
        ("NO", "CT_SCAN", CT, "none"),
        ("NO", "ULTRASOUND", SECONDARY_CAPTURE, "none"),
        (None, "CT_SCAN", CT, "not stated"),
        ("", "CT_SCAN", CT, "not stated"),
        ("PERHAPS", "CT_SCAN", CT, "not stated"),
        (None, "MICROSCOPY", "1.2.840.10008.5.1.4.1.1.77.1.6", "not stated"),
    ],
)
def test_accepted(stated: str | None, tag: str, sop_class: str, expected: str) -> None:
    assert NOBODY_LOOKED.check(header(BurnedInAnnotation=stated, SOPClassUID=sop_class), tag) == expected


@pytest.mark.parametrize(
    ("stated", "tag", "sop_class"),
    [
        ("YES", "CT_SCAN", CT),
        (None, "ULTRASOUND", CT),
        (None, "CLINICAL_PHOTOGRAPHY", CT),
        (None, "ENDOSCOPY", ENDOSCOPY_CLASS),
        (None, "OTHER", CT),
        (None, "CT_SCAN", SECONDARY_CAPTURE),
        (None, "CT_SCAN", f"{SECONDARY_CAPTURE}.4"),
        ("PERHAPS", "ULTRASOUND", CT),
    ],
)
def test_refused_unless_somebody_looked(stated: str | None, tag: str, sop_class: str) -> None:
    image = header(BurnedInAnnotation=stated, SOPClassUID=sop_class)
    with pytest.raises(RowError, match="look at them, then give --pixels-clean WHO") as caught:
        NOBODY_LOOKED.check(image, tag)
    assert (caught.value.kind, caught.value.refused) == ("burned_in", True)
    assert BurnedInText("A. Nurse").check(image, tag) == "looked at"


def test_the_manifest_says_who_looked() -> None:
    assert NOBODY_LOOKED.statement("by the hospital") == "by the hospital"
    told = BurnedInText("A. Nurse, 2026-11-02").statement("by the hospital")
    assert told == "by the hospital; pixels looked at for burned-in text by A. Nurse, 2026-11-02"
