import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from medix.data.picture import PictureError, PictureReader, _states_more_than_eight_bits, open_picture, png
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


@pytest.mark.parametrize(("background", "shade"), [("white", 255), ("black", 0)])
def test_the_value_that_sixteen_bit_grey_calls_transparent_shows_the_background(background: str, shade: int) -> None:
    """It is no part of the range, either: 1000 to 3000 are 0 to 255."""
    deep = _png(Image.fromarray(np.array([[1000, 2000, 3000, 60000]], dtype=np.uint16)), transparency=60000)
    for data in (deep, png(open_picture(deep))):
        shown = np.asarray(PictureReader(background=background).read(data))  # type: ignore[arg-type]
        assert shown[0, :, 0].tolist() == [0, 128, 255, shade]


def test_an_even_sixteen_bit_image_is_black() -> None:
    deep = _png(Image.fromarray(np.full((2, 2), 4000, dtype=np.uint16)))
    assert _corner(PictureReader().read(deep)) == (0, 0, 0)


def test_the_orientation_of_exif_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    stream = io.BytesIO()
    Image.new("RGB", (8, 4)).save(stream, "JPEG", exif=exif)
    assert PictureReader().read(stream.getvalue()).size == (4, 8)


def _bytes(image: Image.Image, kind: str, **save: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **save)  # type: ignore[arg-type]
    return stream.getvalue()


def _grey(data: bytes) -> np.ndarray:
    return np.asarray(PictureReader().read(data))[..., 0]


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_every_format_is_upright_as_read_and_as_converted_to_png(kind: str) -> None:
    """Orientation 6: the stored top left is the upright top right."""
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = Image.new("RGB", (32, 16), "white")
    stored.paste("black", (0, 0, 8, 8))
    data = _bytes(stored, kind, exif=exif)
    for image in (PictureReader().read(data), PictureReader().read(png(open_picture(data)))):
        assert image.size == (16, 32)
        assert [image.getpixel(place)[0] < 128 for place in ((1, 1), (14, 1), (1, 30))] == [False, True, False]  # type: ignore[index]


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG"])
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage!!", b"Exif\0\0MM\0*"])
def test_damaged_exif_states_no_orientation(kind: str, exif: bytes) -> None:
    assert open_picture(_bytes(Image.new("RGB", (32, 16)), kind, exif=exif)).size == (32, 16)


def test_values_that_are_not_finite_do_not_set_the_range() -> None:
    """Of -1 to 1, 0 is in the middle: 127.5 rounds to 128. NaN and minus infinity are black, infinity white."""
    values = np.array([[np.nan, -1, 0], [1, np.inf, -np.inf]], dtype=np.float32)
    data = _bytes(Image.fromarray(values), "TIFF")
    assert _grey(data).tolist() == [[0, 0, 128], [255, 255, 0]]
    assert _grey(png(open_picture(data))).tolist() == [[0, 0, 128], [255, 255, 0]]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_picture_without_finite_values_is_an_error(value: float) -> None:
    data = _bytes(Image.fromarray(np.full((3, 2), value, dtype=np.float32)), "TIFF")
    for read in (PictureReader().read, lambda data: png(open_picture(data))):
        with pytest.raises(PictureError, match="2 x 3 pixels cannot be shown: it has no finite value"):
            read(data)


def test_one_defective_pixel_leaves_a_picture_of_twelve_bits_as_it_is() -> None:
    values = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    expected = _grey(_png(Image.fromarray(values)))
    values[20, 30] = 65535
    found = _grey(_png(Image.fromarray(values))).copy()
    assert found[20, 30] == 255
    found[20, 30] = expected[20, 30]
    assert np.array_equal(found, expected)


def test_negative_values_of_a_signed_picture_keep_their_order() -> None:
    """-1000 to 1000: 0 is in the middle."""
    data = _bytes(Image.fromarray(np.array([[-1000, 0, 1000]], dtype=np.int32)), "TIFF")
    assert _grey(data).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_a_tiff_that_counts_from_white_is_inverted(dtype: type) -> None:
    """Written with PhotometricInterpretation 0: the largest stored value is black."""
    stored = Image.fromarray(np.array([[0, 50, 100, 255]], dtype=dtype))
    dark, light = (_bytes(stored, "TIFF", tiffinfo={262: meaning}) for meaning in (0, 1))
    if dtype is np.uint8:  # Pillow inverts it as it writes, and again as it reads
        assert _grey(dark).tolist() == _grey(light).tolist()
        return
    assert _grey(light).tolist() == [[0, 50, 100, 255]]
    assert _grey(dark).tolist() == [[255, 205, 155, 0]]
    assert _grey(png(open_picture(dark))).tolist() == [[255, 205, 155, 0]]


@pytest.mark.parametrize(
    ("kind", "values"), [(np.int8, [-100, 0, 100]), (np.uint32, [0, 2**31, 2**32 - 1]), (np.uint32, [0, 500, 1000])]
)
def test_values_of_a_tiff_have_the_sign_that_it_states(kind: type, values: list[int]) -> None:
    """Pillow knows no signed bytes and no unsigned numbers of 32 bits; the least value is black, the largest white."""
    row = np.array([values], dtype=kind)
    number = {1: 2, 4: 1}[row.itemsize]  # of SampleFormat
    stored = Image.fromarray(row.view({1: np.uint8, 4: np.int32}[row.itemsize]))
    data = _bytes(stored, "TIFF").replace(struct.pack("<HHIH", 339, 3, 1, 2), struct.pack("<HHIH", 339, 3, 1, number))
    if row.itemsize == 1:
        data = _bytes(stored, "TIFF", tiffinfo={339: number})
    for one in (data, png(open_picture(data))):
        assert _grey(one).tolist() == [[0, 128, 255]]


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF", "PNG"])
def test_a_file_of_several_frames_is_an_error(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]
    data = _bytes(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(PictureError, match="has 3 frames or pages; save the one that is meant"):
        open_picture(data)


def test_a_jpeg_with_a_preview_is_its_first_picture() -> None:
    data = _bytes(
        Image.new("RGB", (8, 8), "red"), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8), "blue")]
    )
    red, _, blue = PictureReader().read(data).getpixel((4, 4))  # type: ignore[misc]
    assert (red > 200, blue < 50) == (True, True)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"])
def test_every_mode_is_read_and_converted_alike(mode: str) -> None:
    data = _bytes(Image.new(mode, (4, 3)), "TIFF")
    image = PictureReader().read(data)
    assert (image.mode, image.size) == ("RGB", (4, 3))
    assert np.array_equal(np.asarray(PictureReader().read(png(open_picture(data)))), np.asarray(image))


def test_a_colour_that_a_gif_calls_transparent_stays_transparent_as_png() -> None:
    image = Image.new("P", (2, 2), 0)
    image.putpalette([10, 20, 30, *[0] * 765])
    data = png(open_picture(_bytes(image, "GIF", transparency=0)))
    assert _corner(PictureReader().read(data)) == (255, 255, 255)


def _png_of_16_bits(values: np.ndarray) -> bytes:
    """A PNG of channels of 16 bits, ``[height, width, channel]``, which Pillow reads but does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, {2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in values))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _colours(largest: int, channels: int = 3) -> np.ndarray:
    """Values up to the largest, one defective pixel at 65535, and opaque."""
    values = np.linspace(0, largest, 24 * 32).astype(np.uint16).reshape(24, 32, 1).repeat(channels, axis=2)
    values[5, 5] = 65535
    if channels in {2, 4}:
        values[..., -1] = 65535
    return values


def test_colours_of_sixteen_bits_keep_the_upper_eight() -> None:
    assert _corner(PictureReader().read(_png_of_16_bits(np.full((1, 1, 3), 0x8001)))) == (128, 128, 128)
    shown = np.asarray(PictureReader().read(_png_of_16_bits(_colours(40000, 4))))
    assert shown[-1, -1].tolist() == [40000 >> 8] * 3


@pytest.mark.parametrize("channels", [2, 3, 4])
@pytest.mark.parametrize("bits", [8, 12, 13, 14])
def test_colours_that_use_few_of_sixteen_bits_are_refused_whatever_one_pixel_is(channels: int, bits: int) -> None:
    with pytest.raises(PictureError, match=r"isolated pixels, all below \d+ of 65535.*scale them to the full range"):
        PictureReader().read(_png_of_16_bits(_colours((1 << bits) - 1, channels)))


@pytest.mark.parametrize("kind", ["PPM", "TIFF"])
def test_colours_that_use_few_bits_are_refused_in_every_format(kind: str) -> None:
    values = _colours(4095)
    data = b"P6 32 24 65535\n" + values.astype(">u2").tobytes()
    if kind == "TIFF":
        header = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 8)
        entries = ((256, 32), (257, 24), (258, 16), (259, 1), (262, 2), (273, 110), (277, 3), (279, values.nbytes))
        header += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries) + bytes(4)
        data = header + values.astype("<u2").tobytes()
    with pytest.raises(PictureError, match="isolated pixels, all below"):
        open_picture(data)


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_depth_that_a_jpeg_2000_states_is_read(wrapped: bool) -> None:
    data = bytearray(_bytes(Image.new("RGB", (24, 32)), "JPEG2000", no_jp2=not wrapped))
    assert not _states_more_than_eight_bits(Image.open(io.BytesIO(data)), bytes(data))
    data[data.find(b"\xff\x4f\xff\x51") + 42] = 15
    assert _states_more_than_eight_bits(Image.open(io.BytesIO(data)), bytes(data))


def test_bright_lines_on_a_page_that_is_black_are_shown() -> None:
    values = np.zeros((64, 64, 3))
    values[::16] = 60000
    assert np.asarray(PictureReader().read(_png_of_16_bits(values))).max() == 60000 >> 8


def test_a_drawing_in_black_on_a_transparent_page_of_sixteen_bits_is_shown() -> None:
    values = np.zeros((24, 32, 4))
    values[3:9, 4:20, 3] = 65535
    shown = np.asarray(PictureReader().read(_png_of_16_bits(values)))
    assert (shown[4, 5].tolist(), shown[0, 0].tolist()) == ([0, 0, 0], [255, 255, 255])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"\0\0\0\x18ftypheic\0\0\0\0", "it is HEIC or another video format; convert it to PNG or JPEG"),
        (b"\0" * 128 + b"DICM", "it is DICOM"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is PostScript"),
        (b"<svg/>", "it is SVG"),
        (b"text", "it is in no known format; known are AVIF, BMP, GIF, JPEG"),
    ],
)
def test_what_is_no_picture_is_told_by_its_name(data: bytes, told: str) -> None:
    with pytest.raises(PictureError, match=told):
        open_picture(data)


def test_a_picture_of_too_many_pixels_is_an_error() -> None:
    header = _bytes(Image.new("1", (1, 1)), "BMP")
    with pytest.raises(PictureError, match="cannot be decoded"):
        open_picture(header[:18] + struct.pack("<ii", 100_000, 100_000) + header[26:])


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
