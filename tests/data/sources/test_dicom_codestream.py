"""The size that a compressed picture states itself."""

import io
import struct

import pytest
from PIL import Image

from medix.data.sources.dicom_codestream import size_of


def encoded(kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (7, 3)).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "stream",
    [
        encoded("JPEG"),
        encoded("JPEG", progressive=True, comment=b"x" * 5000),
        encoded("JPEG2000"),  # with the boxes of a JP2 file
        encoded("JPEG2000", no_jp2=True),
        b"\xff\xd8\xff\xff\xf7" + struct.pack(">HBHHB", 11, 8, 3, 7, 1),  # JPEG-LS, after a fill byte
    ],
)
def test_rows_and_columns(stream: bytes) -> None:
    assert size_of(stream) == (3, 7)


def test_an_offset_of_the_image_is_not_part_of_it() -> None:
    """From 10 to 17 and from 20 to 23."""
    assert size_of(b"\xff\x4f\xff\x51" + struct.pack(">HH4I", 47, 0, 17, 23, 10, 20)) == (3, 7)


@pytest.mark.parametrize(
    "stream",
    [
        b"", b"\xff\xd8", b"RIFF....", b"\xff\x4f\xff\x51\0", encoded("PNG"),
        b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, 0, 7, 1),  # the height comes after the scan
        b"\xff\xd8" + b"\0" * 20,
    ],
)  # fmt: skip
def test_streams_that_do_not_say(stream: bytes) -> None:
    assert size_of(stream) is None
