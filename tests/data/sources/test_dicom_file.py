"""Reads DICOM files, and refuses those that are no images or too large."""

import zlib
from pathlib import Path

import numpy as np
import pydicom.data
import pytest

from medix.data.sources import dicom_file
from medix.data.sources.dicom_decode import decode
from medix.data.sources.dicom_file import check_image, read_header
from medix.data.sources.source import RowError
from tests.support.dicoms import fault, header, write

BUNDLED = Path(pydicom.data.__file__).parent / "test_files"


def test_the_header_comes_without_pixels_unless_they_are_wanted(tmp_path: Path) -> None:
    path = write(tmp_path / "one")
    assert not read_header(path).has("PixelData")
    (frame,) = decode(path, read_header(path, with_pixels=True), [0])
    assert (frame.index, frame.values.tolist(), frame.photometric) == (0, [[0, 1], [2, 3]], "MONOCHROME2")


def test_an_old_file_without_a_mark_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "marked")
    data = path.read_bytes()
    bare = data[data.index(b"\x08\x00\x16\x00") :]  # from the first element after the file meta information
    (tmp_path / "bare").write_bytes(bare)
    (frame,) = decode(tmp_path / "bare", read_header(tmp_path / "bare", with_pixels=True), [0])
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


def test_measurements_of_an_eye_are_no_damaged_image() -> None:
    """Their class begins with the digits of secondary captures."""
    with pytest.raises(RowError) as caught:
        check_image(header(SOPClassUID="1.2.840.10008.5.1.4.1.1.78.1", Rows=None))
    assert caught.value.refused


def test_an_image_bomb_is_refused_before_anything_is_decoded() -> None:
    bomb = header(Rows=60000, Columns=60000)
    with pytest.raises(RowError, match=r"'60000 x 60000 x 1'.*268435456 pixels") as caught:
        check_image(bomb)
    assert caught.value.kind == "too_large"
    assert check_image(header(Rows=512, Columns=512), 1024) == dicom_file.MAX_PIXELS
    for frames, before in ((1025, 0), (1024, 1)):
        with pytest.raises(RowError, match="more than"):
            check_image(header(Rows=512, Columns=512), frames, before)


def test_a_deflated_bomb_is_refused_before_it_is_inflated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dicom_file, "_MAX_INFLATED", 100_000)
    data = (BUNDLED / "image_dfl.dcm").read_bytes()
    start = 144 + pydicom.dcmread(BUNDLED / "image_dfl.dcm").file_meta.FileMetaInformationGroupLength
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    content = zlib.decompress(data[start:], -zlib.MAX_WBITS) + b"\xfc\xff\xfc\xff" + bytes(1 << 20)
    (tmp_path / "bomb").write_bytes(data[:start] + packer.compress(content) + packer.flush())
    assert fault(tmp_path / "bomb").kind == "too_large"
