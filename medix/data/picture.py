"""Decodes images for the policy: upright, eight bits, three channels, within a range of sizes."""

import io
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError


class PictureError(ValueError):
    """The bytes cannot be decoded as an image."""


@dataclass(frozen=True)
class PictureReader:
    """Decodes images.

    The EXIF orientation is applied. Transparent pixels are composited onto ``background``: dropping the alpha channel
    would show the colour stored under it. White is the default because transparent figures are usually drawn for a
    white page; the black background of a radiograph is opaque and not affected. Images deeper than eight bits have no
    window setting, so their value range, minimum to maximum, is scaled to 0 to 255.

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
        opened = open_picture(image)
        upright = ImageOps.exif_transpose(opened)
        return self._resize(self._three_channels(upright))

    def _three_channels(self, image: Image.Image) -> Image.Image:
        if image.mode.startswith(("I", "F")):
            return _eight_bits(image).convert("RGB")
        if "transparency" in image.info or image.mode in ("LA", "PA", "La", "RGBa"):
            image = image.convert("RGBA")
        if image.mode == "RGBA":
            page = Image.new("RGBA", image.size, self.background)
            return Image.alpha_composite(page, image).convert("RGB")
        return image.convert("RGB")

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

    Raises:
        PictureError: the image cannot be decoded.
    """
    try:
        opened = Image.open(io.BytesIO(image))
        opened.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f"an image of {len(image)} bytes cannot be decoded: {error}") from error
    return opened


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
    return Image.fromarray(np.rint(scaled).astype(np.uint8))
