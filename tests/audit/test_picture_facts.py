"""What is kept of an image."""

import io

import numpy as np
import pytest
from PIL import Image

from medix.audit.picture_facts import picture_facts
from tests.data.conftest import picture


def encoded(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def test_size_and_thumbnail_are_kept() -> None:
    """The left half is black and the right one white; a thumbnail is 32 x 32 whatever the shape."""
    halves = Image.new("L", (96, 64))
    halves.paste(255, (48, 0, 96, 64))
    facts = picture_facts(encoded(halves))
    assert (facts.width, facts.height) == (96, 64)
    assert facts.thumbnail.shape == (32, 32)
    assert set(np.unique(facts.thumbnail[:, :16])) == {0}
    assert set(np.unique(facts.thumbnail[:, 16:])) == {255}
    assert not facts.is_flat
    assert facts.coloured == 0


def test_the_share_of_coloured_pixels_is_that_of_the_image() -> None:
    quarter = Image.new("RGB", (64, 64), (90, 90, 90))
    quarter.paste((200, 20, 20), (0, 0, 32, 32))
    assert picture_facts(encoded(quarter)).coloured == pytest.approx(0.25)


def test_one_shade_is_flat_and_bytes_that_are_no_image_have_a_fault() -> None:
    assert picture_facts(picture(128)).is_flat
    broken = picture_facts(picture(128)[:60])
    assert "cannot be decoded" in broken.fault
    assert (broken.width, broken.height) == (0, 0)
