"""Decodes frames of DICOM files."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.data
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML, UID, JPEG2000Lossless, RLELossless

from medix.data.sources import dicom_decode
from medix.data.sources.dicom_decode import decode
from medix.data.sources.dicom_file import read_header
from tests.support.dicoms import dataset, fault, write

BUNDLED = Path(pydicom.data.__file__).parent / "test_files"


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting the other process takes longer than all of these tests; it has its own."""
    monkeypatch.setattr(dicom_decode, "_PLUGINS", tuple(name for name in dicom_decode._PLUGINS if name != "gdcm"))


def test_only_the_frames_that_are_wanted_are_decoded(tmp_path: Path) -> None:
    path = write(tmp_path / "three", np.arange(12, dtype=np.uint16).reshape(3, 2, 2))
    frames = list(decode(path, read_header(path, with_pixels=True), [2, 0]))
    assert [frame.values.ravel().tolist() for frame in frames] == [[8, 9, 10, 11], [0, 1, 2, 3]]
    assert fault(path, 3).kind == "undecodable"


def test_a_compressed_picture_that_states_another_size_is_refused(tmp_path: Path) -> None:
    stream = b"\xff\x4f\xff\x51" + struct.pack(">HH8IH", 41, 0, 60000, 60000, 0, 0, 60000, 60000, 0, 0, 1)
    path = write(tmp_path / "bomb", PixelData=encapsulate([stream]))
    compressed = pydicom.dcmread(path)
    compressed.file_meta.TransferSyntaxUID = JPEG2000Lossless
    compressed["PixelData"].VR = "OB"
    compressed.save_as(path)
    found = fault(path)
    assert (found.kind, "60000 x 60000" in str(found)) == ("malformed", True)


def test_a_video_is_a_fault_that_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "video")
    video = pydicom.dcmread(path)
    video.file_meta.TransferSyntaxUID = MPEG2MPML
    video.PixelData = encapsulate([b"\0\0\x01\xb3"])
    video["PixelData"].VR = "OB"
    video.save_as(path)
    found = fault(path)
    assert (found.kind, "videos are none" in found.remedy) == ("transfer_syntax", True)


def test_a_decoder_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from pydicom.pixels.decoders import JPEGLSNearLosslessDecoder

    for name in JPEGLSNearLosslessDecoder._available.copy():
        monkeypatch.delitem(JPEGLSNearLosslessDecoder._available, name)
    found = fault(BUNDLED / "JPEGLSNearLossless_08.dcm")
    assert found.kind == "transfer_syntax"
    assert "pip install 'medix-rl[dicom]'" in found.remedy


def test_jpeg_of_twelve_bits_needs_a_package_under_the_gpl() -> None:
    found = fault(BUNDLED / "JPGExtended.dcm")
    assert (found.kind, "pylibjpeg-libjpeg, whose licence is GPL-3.0" in found.remedy) == ("undecodable", True)


@pytest.mark.parametrize(
    "elements",
    [{"BitsAllocated": 12}, {"BitsAllocated": None}, {"SamplesPerPixel": 7}, {"PhotometricInterpretation": None}],
)
def test_pixel_descriptions_that_make_no_sense_are_faults(tmp_path: Path, elements: dict[str, Any]) -> None:
    assert fault(write(tmp_path / "it", **elements)).kind == "undecodable"


def test_values_in_the_upper_bits_are_a_fault(tmp_path: Path) -> None:
    """Of 1000 * 16, which fills bits 4 to 15, decoders would keep the lower twelve bits: 16000 % 4096 = 3712."""
    pixels = np.array([[0, 1000], [2000, 4095]], np.uint16)
    found = fault(write(tmp_path / "upper", pixels << 4, BitsStored=12, HighBit=15))
    assert (found.kind, found.key, found.value) == ("malformed", "HighBit", 15)
    path = write(tmp_path / "lower", pixels, BitsStored=12)
    (frame,) = decode(path, read_header(path, with_pixels=True), [0])
    assert frame.values.tolist() == pixels.tolist()


def test_a_lack_of_memory_is_no_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lacks(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(dicom_decode, "decode_with", lacks)
    path = write(tmp_path / "it")
    with pytest.raises(MemoryError):
        list(decode(path, read_header(path, with_pixels=True), [0]))


def test_fewer_frames_than_stated_are_a_fault(tmp_path: Path) -> None:
    made = dataset(NumberOfFrames="5")
    made.save_as(tmp_path / "five", enforce_file_format=True)
    assert fault(tmp_path / "five", 2).kind == "undecodable"
    made = dataset(np.zeros((4, 4), np.uint8))
    made.compress(RLELossless)
    made.NumberOfFrames = "3"
    made.save_as(tmp_path / "three", enforce_file_format=True)
    assert fault(tmp_path / "three", 2).kind in ("frames", "undecodable")


def test_what_libraries_say_shows_no_control_characters(tmp_path: Path) -> None:
    path = write(tmp_path / "it")
    strange = pydicom.dcmread(path)
    strange.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.50")
    strange.PixelData = encapsulate([b"\x1b[31m no picture"])
    strange["PixelData"].VR = "OB"
    strange.save_as(path)
    found = fault(path)
    assert found.kind == "undecodable"
    assert "\x1b" not in str(found)
