import io
import struct
import zlib
from collections import Counter
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, PngImagePlugin

from medix.data.picture import PictureError, PictureReader
from medix.data.sources.stored_image import conversions, stored_image


def encoded(mode: str, form: str) -> bytes:
    stream = io.BytesIO()
    Image.new(mode, (6, 4), 0).save(stream, form)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("mode", "form"), [("CMYK", "JPEG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("L", "JPEG")]
)
def test_jpeg_and_png_of_any_mode_are_stored_as_they_are(mode: str, form: str) -> None:
    counts: Counter[str] = Counter()
    data = encoded(mode, form)
    assert stored_image(data, counts) == data
    assert PictureReader().read(data).mode == "RGB"
    assert conversions(counts) == []


def test_others_become_png_and_are_counted() -> None:
    counts: Counter[str] = Counter()
    for mode, form in (("RGBA", "WEBP"), ("CMYK", "TIFF"), ("F", "TIFF")):
        assert stored_image(encoded(mode, form), counts).startswith(b"\x89PNG")
    assert conversions(counts) == [
        "3 images were stored as PNG, upright; 1 of them in eight bits, because PNG cannot hold their values"
    ]
    assert conversions(Counter(converted=1)) == ["1 image was stored as PNG, upright"]


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
@pytest.mark.parametrize("kind", ["exif", "comment"])
def test_images_with_metadata_are_stored_as_they_are_and_counted(form: str, kind: str) -> None:
    exif, text = Image.Exif(), PngImagePlugin.PngInfo()
    exif[ExifTags.Base.BodySerialNumber] = "4711"
    text.add(b"tEXt", b"Author\0Doe", after_idat=True)
    pairs: dict[str, dict[str, Any]] = {
        "exif": {"exif": exif},
        "comment": {"comment": b"Doe"} if form == "JPEG" else {"pnginfo": text},
    }
    stream, counts = io.BytesIO(), Counter[str]()
    Image.new("L", (6, 4)).save(stream, form, **pairs[kind])
    assert stored_image(stream.getvalue(), counts) == stream.getvalue()
    (note,) = conversions(counts)
    assert note.startswith("images that are stored with EXIF or text, which may name people, places and devices: 1;")


def test_an_image_bomb_is_refused_before_it_is_decoded() -> None:
    """A small PNG whose header states 20,000 x 20,000 pixels, above Pillow's limit of 179 million."""
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(stream, "PNG")
    data = bytearray(stream.getvalue())
    data[16:24] = struct.pack(">II", 20_000, 20_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(PictureError, match=r"400000000 pixels.*exceeds limit"):
        stored_image(bytes(data), Counter())
