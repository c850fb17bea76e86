"""Images as an endpoint gets them: without loss."""

import base64
import io
from functools import lru_cache

from PIL import Image

from medix.data.picture import PictureReader, open_picture, png

_ORIENTATION = 274  # EXIF
_KINDS = {"JPEG": "image/jpeg", "PNG": "image/png"}


class SentImages:
    """Encodes images as data URLs.

    A JPEG or PNG that any server decodes to the same picture (eight bits, grey or RGB, upright, opaque) is sent as it
    is. Others (CMYK, palettes, transparency, 16 bits, other formats) are decoded here and sent as PNG, and so are those
    that the model's card has resized.

    Args:
        reader: decodes and resizes.
    """

    def __init__(self, reader: PictureReader) -> None:
        self._reader = reader
        self._url = lru_cache(maxsize=64)(self._encoded_url)  # questions on one image stand together

    def url(self, data: bytes) -> str:
        """The data URL of an encoded image.

        Raises:
            PictureError: it cannot be decoded.
        """
        return self._url(data)

    def _encoded_url(self, data: bytes) -> str:
        kind, sent = self._encoded(data)
        return f"data:{kind};base64,{base64.b64encode(sent).decode('ascii')}"

    def _encoded(self, data: bytes) -> tuple[str, bytes]:
        decoded = open_picture(data)
        opened = Image.open(io.BytesIO(data))
        is_plain = (
            opened.format in _KINDS
            and opened.mode in ("L", "RGB")
            and "transparency" not in opened.info
            and opened.getexif().get(_ORIENTATION, 1) == 1
        )
        limits = (self._reader.min_pixels, self._reader.max_pixels)
        if is_plain and limits == (None, None):
            return _KINDS[str(opened.format)], data
        picture = self._reader.read(data)
        if is_plain and picture.size == decoded.size:
            return _KINDS[str(opened.format)], data
        return "image/png", png(picture)
