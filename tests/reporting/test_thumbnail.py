"""Thumbnails of images that open, and of those that do not."""

import base64
import io

from PIL import Image

from medix.reporting.thumbnail import thumbnail
from tests.support.fake_training import picture


def test_a_thumbnail_is_a_small_jpeg() -> None:
    address = thumbnail(picture(7, size=900), size=64)
    data = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(data)).size == (64, 64)


def test_bytes_that_are_no_image_give_an_empty_address() -> None:
    assert thumbnail(b"<svg onload=alert(1)>") == ""
    assert thumbnail(picture(7)[:30]) == ""
