"""Reads DICOM files: headers first, then single frames."""

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom.data
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import MPEG2MPML, UID, JPEG2000Lossless, RLELossless

from medix.data.sources import dicom_file
from medix.data.sources.dicom_file import check_image, decode, read_header
from medix.data.sources.source import RowError
from tests.support.dicoms import dataset, header, write

BUNDLED = Path(pydicom.data.__file__).parent / "test_files"


def fault(path: Path, *frames: int) -> RowError:
    def read() -> None:
        found = read_header(path, with_pixels=True)
        check_image(found, len(frames or (0,)))
        list(decode(found, frames or (0,)))

    with pytest.raises(RowError) as caught:
        read()
    return caught.value


def test_the_header_comes_without_pixels_unless_they_are_wanted(tmp_path: Path) -> None:
    path = write(tmp_path / "one")
    assert not read_header(path).has("PixelData")
    (frame,) = decode(read_header(path, with_pixels=True), [0])
    assert (frame.index, frame.values.tolist(), frame.photometric) == (0, [[0, 1], [2, 3]], "MONOCHROME2")


def test_only_the_frames_that_are_wanted_are_decoded(tmp_path: Path) -> None:
    path = write(tmp_path / "three", np.arange(12, dtype=np.uint16).reshape(3, 2, 2))
    frames = list(decode(read_header(path, with_pixels=True), [2, 0]))
    assert [frame.values.ravel().tolist() for frame in frames] == [[8, 9, 10, 11], [0, 1, 2, 3]]
    assert fault(path, 3).kind == "undecodable"


def test_an_old_file_without_a_mark_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "marked")
    data = path.read_bytes()
    bare = data[data.index(b"\x08\x00\x16\x00") :]  # from the first element after the file meta information
    (tmp_path / "bare").write_bytes(bare)
    (frame,) = decode(read_header(tmp_path / "bare", with_pixels=True), [0])
    assert frame.values.tolist() == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x89PNG" + b"\0" * 500, b"\x08\0 not at all" + b"x" * 500, b"PK\x03\x04" + b"\0" * 300]
)
def test_what_is_no_dicom_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "it").write_bytes(content)
    found = fault(tmp_path / "it")
    assert found.kind in ("not_dicom", "damaged")
    assert found.kind == "damaged" or found.refused


def test_a_directory_of_files_is_refused() -> None:
    found = fault(BUNDLED / "dicomdirtests" / "DICOMDIR")
    assert (found.kind, found.refused) == ("dicomdir", True)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    assert fault(tmp_path / "nothing").kind == "unreadable"


@pytest.mark.parametrize("kept", [140, 200, 400, -3, -8, -20])
def test_a_file_that_is_cut_is_a_fault(tmp_path: Path, kept: int) -> None:
    path = write(tmp_path / "whole", np.zeros((8, 8), np.uint16))
    path.write_bytes(path.read_bytes()[:kept])
    found = fault(path)
    assert found.kind in ("damaged", "no_pixels")
    assert not found.refused


@pytest.mark.parametrize("name", ["JPEG2000.dcm", "MR_small_RLE.dcm", "SC_rgb_jpeg_gdcm.dcm", "image_dfl.dcm"])
def test_a_compressed_file_that_is_cut_is_a_fault(tmp_path: Path, name: str) -> None:
    data = (BUNDLED / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) * 2 // 3])
    found = fault(tmp_path / name)
    assert (found.kind in ("damaged", "no_pixels"), found.refused) == (True, False)


def test_a_report_has_no_pixels() -> None:
    with pytest.raises(RowError, match="a report, a document or a plan") as caught:
        check_image(read_header(BUNDLED / "reportsi.dcm"))
    assert (caught.value.kind, caught.value.refused) == ("no_pixels", True)


def test_an_image_bomb_is_refused_before_anything_is_decoded() -> None:
    bomb = header(Rows=60000, Columns=60000)
    with pytest.raises(RowError, match=r"'60000 x 60000 x 1'.*268435456 pixels") as caught:
        check_image(bomb)
    assert caught.value.kind == "too_large"
    assert check_image(header(Rows=512, Columns=512), 1024) == dicom_file.MAX_PIXELS
    for frames, before in ((1025, 0), (1024, 1)):
        with pytest.raises(RowError, match="more than"):
            check_image(header(Rows=512, Columns=512), frames, before)


def test_a_compressed_picture_that_states_another_size_is_refused(tmp_path: Path) -> None:
    stream = b"\xff\x4f\xff\x51" + struct.pack(">HH8IH", 41, 0, 60000, 60000, 0, 0, 60000, 60000, 0, 0, 1)
    path = write(tmp_path / "bomb", PixelData=encapsulate([stream]))
    compressed = pydicom.dcmread(path)
    compressed.file_meta.TransferSyntaxUID = JPEG2000Lossless
    compressed["PixelData"].VR = "OB"
    compressed.save_as(path)
    found = fault(path)
    assert (found.kind, "60000 x 60000" in str(found)) == ("malformed", True)


def test_a_deflated_bomb_is_refused_before_it_is_inflated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_file, "_MAX_INFLATED", 100_000)
    data = (BUNDLED / "image_dfl.dcm").read_bytes()
    start = 144 + pydicom.dcmread(BUNDLED / "image_dfl.dcm").file_meta.FileMetaInformationGroupLength
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    content = zlib.decompress(data[start:], -zlib.MAX_WBITS) + b"\xfc\xff\xfc\xff" + bytes(1 << 20)
    (tmp_path / "bomb").write_bytes(data[:start] + packer.compress(content) + packer.flush())
    assert fault(tmp_path / "bomb").kind == "too_large"


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
