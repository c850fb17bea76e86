"""What is no part of a picture is removed, and the picture is the same."""

import io
import itertools
import random
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, PngImagePlugin

from medix.data.image_metadata import without_metadata
from medix.data.picture import PictureError, PictureReader

NAME = b"Doe^Jane"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6">Doe^Jane</rdf:Description></x:xmpmeta>'
)


def picture(mode: str = "RGB") -> Image.Image:
    noise = np.random.default_rng(3).integers(0, 256, (24, 40, 4), np.uint8)
    return Image.fromarray(noise).convert(mode)


def encoded(form: str, mode: str = "RGB", **options: Any) -> bytes:
    stream = io.BytesIO()
    picture(mode).save(stream, form, **options)
    return stream.getvalue()


def exif(orientation: int | None = None) -> Image.Exif:
    made = Image.Exif()
    made[ExifTags.Base.ImageDescription] = NAME.decode()
    if orientation is not None:
        made[ExifTags.Base.Orientation] = orientation
    return made


def shown(data: bytes) -> bytes:
    return PictureReader().read(data).tobytes()


def texts() -> PngImagePlugin.PngInfo:
    """Text of each kind, in front of the pixels and behind them."""
    made = PngImagePlugin.PngInfo()
    for after in (False, True):
        made.add(b"tEXt", b"Author\0" + NAME, after_idat=after)
        made.add(b"prVt", NAME, after_idat=after)
    made.add_itxt("Title", NAME.decode())
    return made


FILES = [
    ("JPEG", "RGB", {"exif": exif(), "comment": NAME, "xmp": NAME}),
    ("JPEG", "RGB", {"exif": exif(), "progressive": True, "restart_marker_blocks": 2}),
    ("JPEG", "L", {"comment": NAME}),
    ("JPEG", "CMYK", {"comment": NAME}),
    ("PNG", "RGB", {"exif": exif(), "pnginfo": texts()}),
    ("PNG", "P", {"pnginfo": texts(), "transparency": 3}),
    ("PNG", "RGBA", {"pnginfo": texts(), "dpi": (300, 300)}),
]


@pytest.mark.parametrize(("form", "mode", "options"), FILES)
def test_names_are_gone_and_pixels_are_the_same(form: str, mode: str, options: dict[str, Any]) -> None:
    plain = {key: value for key, value in options.items() if key not in ("exif", "comment", "xmp", "pnginfo")}
    data = encoded(form, mode, icc_profile=PROFILE, **options)
    assert NAME in data
    assert without_metadata(data) == encoded(form, mode, icc_profile=PROFILE, **plain)
    assert shown(without_metadata(data)) == shown(data)


@pytest.mark.parametrize(("form", "orientation"), list(itertools.product(("JPEG", "PNG"), (1, 3, 6, 9))))
def test_the_orientation_alone_stays(form: str, orientation: int) -> None:
    data = encoded(form, exif=exif(orientation))
    kept = without_metadata(data)
    assert NAME not in kept
    assert shown(kept) == shown(data)
    assert (kept == encoded(form)) == (orientation not in range(2, 9))
    assert without_metadata(kept) == kept


def test_an_orientation_that_only_xmp_states_stays() -> None:
    data = encoded("JPEG", xmp=XMP)
    kept = without_metadata(data)
    assert shown(kept) == shown(data) != shown(encoded("JPEG"))
    assert NAME not in kept


def test_previews_further_images_and_what_follows_are_removed() -> None:
    """A preview may show what was painted over in the picture."""
    stream = io.BytesIO()
    picture().save(stream, "MPO", save_all=True, append_images=[picture("L")])
    kept = without_metadata(stream.getvalue())
    assert shown(kept) == shown(stream.getvalue())
    with Image.open(io.BytesIO(kept)) as opened:
        assert opened.format == "JPEG"
    data = encoded("JPEG")
    assert data[4:11] == b"\0\x10JFIF\0"
    preview = data[:4] + (16 + 12).to_bytes(2, "big") + data[6:18] + b"\2\2" + bytes(12) + data[20:]
    assert shown(preview) == shown(data)
    assert without_metadata(preview + NAME) == data
    assert without_metadata(encoded("PNG") + NAME) == encoded("PNG")


def test_a_file_without_anything_else_is_the_same() -> None:
    for form in ("JPEG", "PNG"):
        assert without_metadata(encoded(form)) == encoded(form)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n\0\0"])
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"begin|marker|cut"):
        without_metadata(data)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged EXIF
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_damaged_file_is_refused_or_its_picture_is_the_same(form: str) -> None:
    chance, data = random.Random(5), encoded(form, exif=exif(6))
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(2, 400)] = chance.choice((0, 1, 0xD8, 0xD9, 0xDA, 0xE1, 0xFF))
        try:
            before = shown(bytes(damaged))
        except PictureError:
            continue
        try:
            kept = without_metadata(bytes(damaged))
        except ValueError:
            continue
        assert shown(kept) == before
