import io

import numpy as np
import pytest
from PIL import Image

from medix.data.picture import PictureError, PictureReader, open_picture
from tests.data.conftest import picture


def _png(image: Image.Image, **save: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", **save)
    return stream.getvalue()


def _corner(image: Image.Image) -> object:
    return image.getpixel((0, 0))


@pytest.mark.parametrize(("background", "shown"), [("white", (255, 255, 255)), ("black", (0, 0, 0))])
def test_transparent_pixels_show_the_background_and_not_what_lies_under_them(background: str, shown: object) -> None:
    hidden = _png(Image.new("RGBA", (4, 4), (200, 10, 10, 0)))
    assert _corner(PictureReader(background=background).read(hidden)) == shown  # type: ignore[arg-type]


def test_half_transparent_red_on_white_is_pink() -> None:
    """(255 * 128 + 255 * 127) / 255 = 255 red; green and blue 255 * 127 / 255 = 127."""
    assert _corner(PictureReader().read(_png(Image.new("RGBA", (2, 2), (255, 0, 0, 128))))) == (255, 127, 127)


def test_opaque_rgba_is_its_rgb() -> None:
    assert _corner(PictureReader().read(_png(Image.new("RGBA", (2, 2), (9, 8, 7, 255))))) == (9, 8, 7)


def test_grey_with_alpha_and_a_transparent_palette_colour_show_the_background() -> None:
    grey = _png(Image.new("LA", (2, 2), (40, 0)))
    palette = Image.new("P", (2, 2), 0)
    palette.putpalette([10, 20, 30, *[0] * 765])
    assert _corner(PictureReader().read(grey)) == (255, 255, 255)
    assert _corner(PictureReader().read(_png(palette, transparency=0))) == (255, 255, 255)
    assert _corner(PictureReader().read(_png(palette))) == (10, 20, 30)


def test_sixteen_bit_grey_uses_its_own_range() -> None:
    """1000, 2000, 3000 become 0, 127.5 (rounded to even: 128) and 255; Pillow itself would clip all to 255."""
    deep = _png(Image.fromarray(np.array([[1000, 2000, 3000]], dtype=np.uint16)))
    assert open_picture(deep).mode.startswith("I")
    assert np.asarray(PictureReader().read(deep))[0, :, 0].tolist() == [0, 128, 255]


def test_an_even_sixteen_bit_image_is_black() -> None:
    deep = _png(Image.fromarray(np.full((2, 2), 4000, dtype=np.uint16)))
    assert _corner(PictureReader().read(deep)) == (0, 0, 0)


def test_the_orientation_of_exif_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    stream = io.BytesIO()
    Image.new("RGB", (8, 4)).save(stream, "JPEG", exif=exif)
    assert PictureReader().read(stream.getvalue()).size == (4, 8)


@pytest.mark.parametrize("size", [(7, 91), (100, 30), (1, 500), (33, 33)])
def test_pixels_end_inside_the_range(size: tuple[int, int]) -> None:
    small = PictureReader(min_pixels=4000).read(picture(size=size))
    large = PictureReader(max_pixels=300).read(picture(size=size))
    assert small.size[0] * small.size[1] >= 4000
    assert large.size[0] * large.size[1] <= max(300, max(size))


def test_a_picture_inside_the_range_keeps_its_pixels() -> None:
    kept = PictureReader(min_pixels=100, max_pixels=10_000).read(picture(5))
    assert np.array_equal(np.asarray(kept), np.asarray(Image.open(io.BytesIO(picture(5)))))


@pytest.mark.parametrize("data", [b"", b"no image", picture()[:60], picture(kind="JPEG", size=(300, 300))[:400]])
def test_bytes_that_do_not_open_are_an_error(data: bytes) -> None:
    with pytest.raises(PictureError, match="cannot be decoded"):
        open_picture(data)


@pytest.mark.parametrize("sizes", [(0, None), (None, 0), (200, 100)])
def test_impossible_sizes_are_refused(sizes: tuple[int | None, int | None]) -> None:
    with pytest.raises(ValueError, match=r"_pixels"):
        PictureReader(*sizes)
