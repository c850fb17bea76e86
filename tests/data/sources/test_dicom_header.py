"""The header of a DICOM file, whose values are not trusted."""

import pytest
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from medix.data.sources.dicom_header import DicomHeader
from medix.data.sources.source import RowError
from tests.support.dicoms import dataset, header, item


def raw(tag: int, kind: str, value: bytes) -> DicomHeader:
    """A header with an element as it stands in a file."""
    made = dataset()
    made._dict[Tag(tag)] = RawDataElement(Tag(tag), kind, len(value), value, 0, False, True)
    return DicomHeader(made)


def test_values_of_the_expected_kind() -> None:
    found = header(ImageType=["ORIGINAL", "PRIMARY"], WindowCenter=["40", "50.5"], InstanceNumber="7")
    assert found.codes("ImageType") == ("ORIGINAL", "PRIMARY")
    assert found.code("Modality") == "CT"
    assert found.numbers("WindowCenter") == (40.0, 50.5)
    assert (found.number("WindowCenter"), found.whole("InstanceNumber")) == (40.0, 7)
    assert found.uid("StudyInstanceUID") == "1.2.3"
    assert found.text("PatientID") == "MRN 4711"
    assert found.patient == header(PatientID="\u200bMRN\u00a04711\ufeff").patient


def test_missing_values() -> None:
    found = header()
    assert (found.code("ViewPosition"), found.codes("ViewPosition")) == ("", ())
    assert (found.number("WindowCenter"), found.whole("InstanceNumber")) == (None, None)
    assert (found.uid("FrameOfReferenceUID"), found.text("AccessionNumber")) == ("", "")
    assert found.items("VOILUTSequence") == ()


@pytest.mark.parametrize(
    "value", [b"CHEST\x1b[31m", "BRUST\u202e".encode(), b"A" * 100_000, b"\xff\xfe\x00 ", b"chest; rm -rf"]
)
def test_codes_of_other_letters_or_lengths_are_missing(value: bytes) -> None:
    assert raw(0x00180015, "CS", value).code("BodyPartExamined") == ""


@pytest.mark.parametrize("value", [b"abc ", b"1e999 ", b"nan ", b"inf ", b"1\\x ", b"9" * 4096])
def test_numbers_that_are_none_are_missing(value: bytes) -> None:
    assert raw(0x00281050, "DS", value).number("WindowCenter") is None


def test_identifiers_that_are_none_are_missing() -> None:
    assert raw(0x0020000D, "UI", b"Doe^Jane").uid("StudyInstanceUID") == ""


def test_a_sequence_that_is_none_has_no_items() -> None:
    assert raw(0x00283010, "LO", b"no sequence ").items("VOILUTSequence") == ()


@pytest.mark.parametrize(("value", "frames"), [(b"12", 12), (b" 3 ", 3), (b"", 1), (b"1\0", 1)])
def test_numbers_of_frames(value: bytes, frames: int) -> None:
    assert raw(0x00280008, "IS", value).frames == frames


@pytest.mark.parametrize("value", [b"1A", b"0 ", b"-4", b"1.5 ", b"2\\3 ", b"9" * 40])
def test_numbers_of_frames_that_are_none_are_faults(value: bytes) -> None:
    with pytest.raises(RowError, match=r"NumberOfFrames.*is no number of frames") as caught:
        raw(0x00280008, "IS", value).frames  # noqa: B018
    assert caught.value.kind == "frames"


def test_without_a_number_there_is_one_frame() -> None:
    assert header().frames == 1


def test_a_frame_has_its_own_values_then_those_of_all_frames_then_those_of_the_file() -> None:
    made = dataset(
        WindowCenter="1",
        RescaleSlope="2",
        SharedFunctionalGroupsSequence=[item(FrameVOILUTSequence=[item(WindowCenter="10", WindowWidth="11")])],
        PerFrameFunctionalGroupsSequence=[item(), item(FrameVOILUTSequence=[item(WindowCenter="20")])],
    )
    first, second = DicomHeader(made, 0), DicomHeader(made, 1)
    assert (first.number("WindowCenter"), second.number("WindowCenter")) == (10, 20)
    assert second.number("WindowWidth") == 11
    assert second.number("RescaleSlope") == 2
