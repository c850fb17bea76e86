import io
import struct
import zlib
from collections import Counter

import numpy as np
import pytest
from PIL import ExifTags, Image

from medix.data.picture import PictureError, PictureReader
from medix.data.sources.stored_image import conversions, listed_image, stored_image, unread_image


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
def test_metadata_is_removed_where_images_are_stored_and_counted_where_they_are_listed(form: str) -> None:
    exif, stream = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.BodySerialNumber] = "4711"
    Image.new("L", (6, 4)).save(stream, form, exif=exif)
    counts, listed = Counter[str](), Counter[str]()
    assert stored_image(stream.getvalue(), counts) == encoded("L", form)
    assert listed_image(stream.getvalue(), listed) == unread_image(stream.getvalue(), Counter()) == stream.getvalue()
    told = [*conversions(counts), *conversions(listed)]
    assert told == [
        "images from which EXIF, text or a preview was removed, with their pixels as they were: 1",
        "images with EXIF, text or a preview, which may name people, places and devices: 1; they are listed as they "
        "are, and --rewrite removes it",
    ]


def test_an_image_whose_structure_is_not_known_is_stored_as_it_is_and_counted() -> None:
    """Decoders take it without the marker of its end."""
    counts = Counter[str]()
    data = encoded("L", "JPEG").removesuffix(b"\xff\xd9") + bytes(64)
    assert stored_image(data, counts) == data
    assert conversions(counts) == ["images of an unusual structure, stored with the EXIF or text that they may have: 1"]


def test_what_cannot_be_decoded_is_refused_where_it_is_listed_too() -> None:
    with pytest.raises(PictureError):
        listed_image(encoded("L", "PNG")[:40], Counter())


def test_an_image_bomb_is_refused_before_it_is_decoded() -> None:
    """A small PNG whose header states 20,000 x 20,000 pixels, above Pillow's limit of 179 million."""
    stream = io.BytesIO()
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(stream, "PNG")
    data = bytearray(stream.getvalue())
    data[16:24] = struct.pack(">II", 20_000, 20_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    with pytest.raises(PictureError, match=r"400000000 pixels.*exceeds limit"):
        stored_image(bytes(data), Counter())
