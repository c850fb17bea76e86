"""An encoded image as the policy gets it: upright, eight bits, three channels, within a range of sizes."""

import io
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError


class PictureError(ValueError):
    """Bytes that do not open as an image."""


@dataclass(frozen=True)
class PictureReader:
    """Decodes images.

    The orientation of EXIF is applied. Transparent pixels are laid on ``background``: dropping the alpha channel would
    show whatever colour lies under it. White is the default because transparent figures are drawn for a page; a
    radiograph keeps its own black. Images deeper than eight bits carry no window, so their own range, smallest to
    largest value, becomes 0 to 255.

    Args:
        min_pixels: smaller images are enlarged until they have at least so many pixels.
        max_pixels: larger images are reduced until they have at most so many.
        background: what transparent pixels show.
    """

    min_pixels: int | None = None
    max_pixels: int | None = None
    background: Literal["white", "black"] = "white"

    def __post_init__(self) -> None:
        for name in ("min_pixels", "max_pixels"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: {value} is no number of pixels; give 1 or more, or null")
        if self.min_pixels and self.max_pixels and self.min_pixels > self.max_pixels:
            raise ValueError(
                f"min_pixels {self.min_pixels} exceeds max_pixels {self.max_pixels}; exchange or widen them"
            )

    def read(self, image: bytes) -> Image.Image:
        """Decode one image.

        Raises:
            PictureError: it does not open.
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
    """Open and decode, so that a truncated file is found here and not later.

    Raises:
        PictureError: it does not open.
    """
    try:
        opened = Image.open(io.BytesIO(image))
        opened.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise PictureError(f"an image of {len(image)} bytes does not open: {error}") from error
    return opened


def _eight_bits(image: Image.Image) -> Image.Image:
    values = np.asarray(image, dtype=np.float64)
    low, high = float(values.min()), float(values.max())
    scaled = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
    return Image.fromarray(np.rint(scaled).astype(np.uint8))
