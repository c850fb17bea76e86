"""Decodes images for the policy: upright, eight bits, three channels, within a range of sizes."""

import io
import math
import struct
import zlib
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from PIL import Image, ImageFile, ImageOps, TiffTags, UnidentifiedImageError

from medix.data.grey_range import GreyRange, reached

_FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded. Other formats that Pillow knows could run a program (EPS) or hold no single picture."""

ENDINGS = (
    "avif", "bmp", "gif", "j2k", "jfif", "jp2", "jpe", "jpeg", "jpg", "jpx", "pbm", "pgm", "png", "pnm", "ppm", "tif",
    "tiff", "webp",
)  # fmt: skip
"""How the names of files of these formats end."""

UNREADABLE = (
    UnidentifiedImageError, Image.DecompressionBombError, OSError, SyntaxError, ValueError, TypeError, LookupError,
    ArithmeticError, EOFError, RuntimeError, struct.error, zlib.error,
)  # fmt: skip
"""What Pillow raises for bytes that it cannot or should not decode."""

LOSSLESS = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
"""Modes that PNG holds without loss."""

_TAGS = {tag.name: key for key, tag in TiffTags.TAGS_V2.items()}
_PHOTOMETRIC, _SAMPLE_FORMAT = _TAGS["PhotometricInterpretation"], _TAGS["SampleFormat"]
_SIGNED = 2
_SIZES, _DEPTH = b"\xff\x4f\xff\x51", 42  # of JPEG 2000: the first marker, and where the depth stands behind it
_FEW = 0.01
_DARK = 64  # of 255: a picture of 14 bits in 16
_OTHER_FORMATS = (
    (4, b"ftyp", "HEIC or another video format"),
    (128, b"DICM", "DICOM"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"<svg", "SVG"),
    (0, b"<?xml", "XML"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"PK\x03\x04", "ZIP"),
    (0, b"8BPS", "Photoshop"),
)


@cache
def formats() -> tuple[str, ...]:
    """The formats that are decoded, as far as this Pillow knows them."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


class PictureError(ValueError):
    """The bytes cannot be decoded as an image."""


@dataclass(frozen=True)
class PictureReader:
    """Decodes images.

    - The EXIF orientation is applied.
    - Transparent pixels are composited onto ``background``: dropping the alpha channel would show the colour stored
      under it. White is the default because transparent figures are usually drawn for a white page; the black
      background of a radiograph is opaque and not affected.
    - Grey images deeper than eight bits have no window setting: their range of values, isolated pixels and thin lines
      far outside of it left out, is scaled to 0 to 255 (see ``medix.data.grey_range``). TIFF files whose lowest value
      is white are inverted. Colour images deeper than eight bits, and grey ones with transparency, keep the upper
      eight; where, but for isolated pixels and thin lines, these are in the lowest quarter, it is an error.
    - A file of several frames or pages is an error: which of them is meant is not known.
    - Colour profiles and gamma are not applied, as in the images on which vision towers are trained.

    Args:
        min_pixels: smaller images are enlarged to at least this many pixels.
        max_pixels: larger images are reduced to at most this many pixels.
        background: colour shown in transparent pixels.
    """

    min_pixels: int | None = None
    max_pixels: int | None = None
    background: Literal["white", "black"] = "white"

    def __post_init__(self) -> None:
        for name in ("min_pixels", "max_pixels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: {value} is not a number of pixels; give 1 or more, or null")
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise ValueError(f"min_pixels {self.min_pixels} exceeds max_pixels {self.max_pixels}; swap or change them")

    def read(self, image: bytes) -> Image.Image:
        """Decode one image.

        Raises:
            PictureError: the image cannot be decoded.
        """
        return self._resize(self._three_channels(open_picture(image)))

    def _three_channels(self, image: Image.Image) -> Image.Image:
        if _is_deep(image):
            return self._shades(image)
        if "transparency" in image.info or "A" in image.getbands():
            page = Image.new("RGBA", image.size, self.background)
            return Image.alpha_composite(page, image.convert("RGBA")).convert("RGB")
        return image if image.mode == "RGB" else image.convert("RGB")  # which copies

    def _shades(self, image: Image.Image) -> Image.Image:
        shown = _eight_bits(image).convert("RGB")
        if isinstance(hidden := image.info.get("transparency"), int):  # the value that a PNG shows as transparent
            shown.paste(self.background, mask=Image.fromarray(np.asarray(image) == hidden))
        return shown

    def _resize(self, image: Image.Image) -> Image.Image:
        width, height = image.size
        if self.max_pixels and width * height > self.max_pixels:
            factor = math.sqrt(self.max_pixels / (width * height))
            size = max(1, math.floor(width * factor)), max(1, math.floor(height * factor))
        elif self.min_pixels and width * height < self.min_pixels:
            factor = math.sqrt(self.min_pixels / (width * height))
            size = math.ceil(width * factor), math.ceil(height * factor)
        else:
            return image
        return image.resize(size, Image.Resampling.BICUBIC)


def open_picture(image: bytes) -> Image.Image:
    """Open and fully decode an image, so that a truncated file is detected here and not later.

    The result is upright, its lowest value is black, and it has one of the modes that PNG holds, ``I`` or ``F``.

    Raises:
        PictureError: the image cannot be decoded, or is not one picture.
    """
    try:
        opened = Image.open(io.BytesIO(image), formats=formats())
        is_deep = _states_more_than_eight_bits(opened, image)
        frames = 1 if opened.format == "MPO" else getattr(opened, "n_frames", 1)  # a preview of the same picture
        if frames > 1:
            raise PictureError(
                f"an image of {len(image)} bytes has {frames} frames or pages; save the one that is meant as a file"
            )
        opened.load()
        _turn_upright(opened)
        upright = _as_counted(_plain(opened), opened)
    except PictureError:
        raise
    except UNREADABLE as error:
        raise PictureError(f"an image of {len(image)} bytes cannot be decoded: {_reason(image, error)}") from error
    if 0 in upright.size:
        raise PictureError(f"an image of {len(image)} bytes has no pixels: {upright.width} x {upright.height}")
    if is_deep and not _is_deep(upright):
        _check_upper_bits(upright, len(image))
    if _is_deep(upright) and _white_is_zero(opened):
        return _inverted(upright)
    return upright


def _turn_upright(opened: Image.Image) -> None:
    """Apply the orientation; damaged EXIF states none, in every format as in JPEG, where Pillow passes over it."""
    try:
        ImageOps.exif_transpose(opened, in_place=True)  # copies otherwise, also what is upright
    except UNREADABLE:
        if opened.info.get("exif") is None:
            raise


def png(image: Image.Image) -> bytes:
    """A picture of ``open_picture`` as PNG: without loss, or in eight bits if PNG cannot hold its values.

    Raises:
        PictureError: no pixel has a finite value.
    """
    stream = io.BytesIO()
    stored = image if image.mode in LOSSLESS else _eight_bits(image)
    stored.save(stream, "PNG")
    return stream.getvalue()


def _plain(image: Image.Image) -> Image.Image:
    """The picture in a mode of PNG, ``I`` or ``F``."""
    if image.mode.startswith("I;16"):
        plain = Image.fromarray(np.asarray(image).astype(np.uint16))
        plain.info.update({name: image.info[name] for name in ("transparency",) if name in image.info})
        return plain
    if image.mode in (*LOSSLESS, "I", "F"):
        return image
    if image.mode == "La":
        return image.convert("LA")
    return image.convert("RGBA" if "A" in image.getbands() or image.mode == "RGBa" else "RGB")


def _as_counted(image: Image.Image, opened: Image.Image) -> Image.Image:
    """With the sign that a TIFF states, of which Pillow knows neither signed bytes nor unsigned numbers of 32 bits."""
    if opened.format != "TIFF" or image.mode not in ("L", "I"):
        return image
    is_signed = _SIGNED in getattr(opened, "tag_v2", {}).get(_SAMPLE_FORMAT, ())
    values = np.asarray(image)
    if image.mode == "L" and is_signed:
        return Image.fromarray(values.view(np.int8).astype(np.int32))
    if image.mode == "I" and not is_signed and values.min() < 0:
        return Image.fromarray(values.view(np.uint32).astype(np.float32))
    return image


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith(("I", "F"))


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    if isinstance(hidden := image.info.get("transparency"), int) and (values != hidden).any():
        values = np.where(values == hidden, np.nan, values)
    try:
        found = GreyRange.of(values)
    except ValueError as error:
        raise PictureError(f"an image of {image.width} x {image.height} pixels cannot be shown: {error}") from error
    return Image.fromarray(found.eight_bits(values))


def _white_is_zero(opened: Image.Image) -> bool:
    """Whether a TIFF counts from white to black; Pillow inverts those of up to eight bits itself."""
    return getattr(opened, "tag_v2", {}).get(_PHOTOMETRIC) == 0


def _inverted(image: Image.Image) -> Image.Image:
    """Upside down within the type's range; the range of values is scaled afterwards, so the offset does not matter."""
    values = np.asarray(image)
    return Image.fromarray(np.uint16(65535) - values if image.mode == "I;16" else -values)


def _states_more_than_eight_bits(opened: ImageFile.ImageFile, image: bytes) -> bool:
    """Whether the channels of a file have more than eight bits, of which Pillow keeps the upper eight of colours."""
    if opened.format == "JPEG2000":
        at = image.find(_SIZES)
        return at >= 0 and len(image) > at + _DEPTH and (image[at + _DEPTH] & 127) + 1 > 8
    args = opened.tile[0].args if opened.tile else ""
    return ";16" in str(args) or (opened.format == "PPM" and isinstance(args, tuple) and args[-1] > 255)


def _check_upper_bits(image: Image.Image, size: int) -> None:
    """Refuse colours of 16 bits of which at most 14 are used: Pillow keeps the upper eight.

    One range for all channels, as of grey pictures: isolated pixels and thin lines do not count, nor do transparent
    pixels. A drawing that is black on a transparent page uses no bits at all.
    """
    colours = np.asarray(image.convert("RGBA"), dtype=np.float64)
    brightest = np.where(colours[..., 3] > 0, colours[..., :3].max(axis=2), np.nan)
    is_drawing = np.isnan(brightest).any() and not np.nan_to_num(brightest).any()
    if is_drawing:
        return
    found = GreyRange.of(brightest).high
    few = np.count_nonzero(brightest > 0) <= _FEW * brightest.size
    if few and reached(brightest, np.isnan(brightest)) <= _DARK:  # isolated pixels would be the range of a black page
        found = 0.0
    if found <= _DARK:
        raise PictureError(
            f"an image of {size} bytes has colours of 16 bits that are, but for isolated pixels, all below "
            f"{256 * (int(found) + 1)} of 65535, so that it would be shown nearly black; scale them to the full range"
        )


def _reason(image: bytes, error: Exception) -> str:
    """Why an image cannot be decoded."""
    if not isinstance(error, UnidentifiedImageError):
        return str(error) or type(error).__name__
    found = next((name for start, mark, name in _OTHER_FORMATS if image[start:].startswith(mark)), "")
    known = f"known are {', '.join(formats())}"
    return f"it is {found}; convert it to PNG or JPEG" if found else f"it is in no known format; {known}"
