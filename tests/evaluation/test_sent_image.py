"""Images on their way to an endpoint lose nothing."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from medix.data.picture import PictureError, PictureReader
from medix.evaluation.sent_image import SentImages
from tests.support.tables import image


def sent(data: bytes, **limits: int) -> tuple[str, bytes]:
    kind, _, text = SentImages(PictureReader(**limits)).url(data).partition(";base64,")
    return kind, base64.b64decode(text)


@pytest.mark.parametrize(("mode", "form"), [("RGB", "PNG"), ("L", "PNG"), ("RGB", "JPEG"), ("L", "JPEG")])
def test_an_ordinary_image_is_sent_as_it_is(mode: str, form: str) -> None:
    data = image(mode, form=form)
    assert sent(data) == (f"data:image/{form.lower()}", data)


@pytest.mark.parametrize(
    ("mode", "form"), [("CMYK", "JPEG"), ("P", "PNG"), ("RGBA", "PNG"), ("1", "PNG"), ("RGB", "BMP")]
)
def test_any_other_image_is_sent_as_the_picture_that_training_sees(mode: str, form: str) -> None:
    data = image(mode, form=form)
    kind, got = sent(data)
    assert kind == "data:image/png"
    seen = np.asarray(PictureReader().read(data))
    assert (np.asarray(Image.open(io.BytesIO(got)).convert("RGB")) == seen).all()


def test_an_image_that_lies_on_its_side_is_sent_upright() -> None:
    lying = Image.new("RGB", (20, 10))
    exif = lying.getexif()
    exif[274] = 6
    stream = io.BytesIO()
    lying.save(stream, "JPEG", exif=exif)
    _, got = sent(stream.getvalue())
    assert Image.open(io.BytesIO(got)).size == (10, 20)


def test_the_limits_of_a_card_are_applied_where_an_image_exceeds_them() -> None:
    small, large = image(size=16), image(size=64)
    assert sent(small, max_pixels=1024) == ("data:image/png", small)
    _, got = sent(large, max_pixels=1024)
    assert Image.open(io.BytesIO(got)).size == (32, 32)


def test_bytes_that_are_no_image_are_an_error() -> None:
    for broken in (b"torn", image()[:200]):
        with pytest.raises(PictureError):
            sent(broken)
