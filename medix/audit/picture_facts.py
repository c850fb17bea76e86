"""What the audit keeps of an image: its size, a thumbnail of 32 x 32 pixels, how much of it is coloured."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from medix.data.picture import PictureError, PictureReader

SIDE = 32
_COLOURED = 40
"""Difference between the largest and the smallest channel from which a pixel counts as coloured; JPEG stays below."""

_FLAT = 2.0
"""Standard deviation of a thumbnail, of 255 grey values, below which it shows nothing that could be compared."""

_READER = PictureReader()


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What is kept of one image.

    Attributes:
        width: in pixels.
        height: in pixels.
        thumbnail: grey values of 32 x 32 pixels, whatever the shape of the image.
        coloured: share of its pixels that are coloured.
        fault: why it cannot be decoded; empty if it can.
    """

    width: int
    height: int
    thumbnail: NDArray[np.uint8]
    coloured: float
    fault: str = ""

    @property
    def is_flat(self) -> bool:
        """Whether it shows nothing by which it could be told from others, such as a black picture."""
        return bool(self.thumbnail.std() < _FLAT)


def picture_facts(image: bytes) -> PictureFacts:
    """The facts of an encoded image, decoded as for training."""
    try:
        picture = _READER.read(image)
    except PictureError as error:
        return PictureFacts(0, 0, np.zeros((SIDE, SIDE), np.uint8), 0.0, str(error))
    grey = picture.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    small = np.asarray(picture.resize((64, 64), Image.Resampling.NEAREST), dtype=np.int16)
    coloured = float((small.max(axis=2) - small.min(axis=2) > _COLOURED).mean())
    return PictureFacts(picture.width, picture.height, np.asarray(grey), coloured)
