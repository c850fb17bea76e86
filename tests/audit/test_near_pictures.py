"""Images that show the same: which changes are found, and which images are not mistaken."""

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from medix.audit.near_pictures import TURNS, near_pairs, perceptual_hashes
from medix.audit.picture_facts import picture_facts
from medix.data.sources.phantoms import PhantomSource

COUNT = 60


@pytest.fixture(scope="module")
def phantoms() -> list[Image.Image]:
    return [Image.open(io.BytesIO(sample.images[0])).convert("L") for sample in PhantomSource(COUNT)]


def encoded(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def thumbnails(images: list[bytes]) -> np.ndarray:
    return np.stack([picture_facts(image).thumbnail for image in images])


CHANGES: dict[str, Callable[[Image.Image], bytes]] = {
    "JPEG 50": lambda image: encoded(image, "JPEG", quality=50),
    "half size": lambda image: encoded(image.resize((32, 32), Image.Resampling.BICUBIC)),
    "double size": lambda image: encoded(image.resize((128, 128), Image.Resampling.BILINEAR)),
    "brighter": lambda image: encoded(image.point(lambda value: min(255, value + 20))),
    "contrast": lambda image: encoded(ImageEnhance.Contrast(image).enhance(1.2)),
    "mirrored": lambda image: encoded(image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "rotated by 90°": lambda image: encoded(image.transpose(Image.Transpose.ROTATE_270)),  # PIL counts the other way
    "rotated by 180°": lambda image: encoded(image.transpose(Image.Transpose.ROTATE_180), "JPEG", quality=60),
}


@pytest.mark.parametrize("change", CHANGES)
def test_changed_copies_are_found_and_distinct_phantoms_are_not(phantoms: list[Image.Image], change: str) -> None:
    """Twelve of 60 phantoms have a changed copy. Recall 12 of 12, and no other pair."""
    copies = [CHANGES[change](image) for image in phantoms[:12]]
    found = near_pairs(thumbnails([encoded(image) for image in phantoms] + copies))
    pairs = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert pairs == {(number, COUNT + number) for number in range(12)}
    turns = {TURNS[turn] for turn in found.turn.tolist()}
    assert turns == {change if change in TURNS else ""}


def test_the_hashes_of_the_orientations_are_those_of_the_turned_images(phantoms: list[Image.Image]) -> None:
    small = thumbnails([encoded(image) for image in phantoms[:4]])
    hashes = perceptual_hashes(small)
    for turn in range(8):
        turned = small.transpose(0, 2, 1) if turn & 4 else small
        turned = turned[:, ::-1] if turn & 2 else turned
        turned = turned[:, :, ::-1] if turn & 1 else turned
        own = perceptual_hashes(np.ascontiguousarray(turned))[0]
        assert np.bitwise_count(own ^ hashes[turn]).max() <= 2  # signs of coefficients near 0


def test_a_gradient_has_the_hash_that_is_computed_by_hand() -> None:
    """Grey rises from left to right: of the DCT only the first row has odd frequencies, all of them negative.

    Without a positive coefficient every bit is 0; mirrored, the bits of the frequencies 1, 3, 5 and 7 of the first row
    are 1: 01010101 in the highest byte, and all other bits are 0.
    """
    row = np.linspace(0, 248, 32).astype(np.uint8)
    hashes = perceptual_hashes(np.broadcast_to(row, (1, 32, 32)))
    assert int(hashes[0][0]) == 0
    assert int(hashes[1][0]) == 0b01010101 << 56


def test_no_images_have_no_pairs() -> None:
    assert len(near_pairs(np.zeros((0, 32, 32), np.uint8))) == 0
    assert len(near_pairs(np.random.default_rng(0).integers(0, 255, (3, 32, 32)).astype(np.uint8))) == 0
