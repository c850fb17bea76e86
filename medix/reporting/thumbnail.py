"""Thumbnails as ``data:`` URLs for an HTML page."""

import base64
import io

from medix.data.picture import PictureError, PictureReader

_READER = PictureReader()


def thumbnail(image: bytes, size: int = 320) -> str:
    """A ``data:`` URL of a JPEG of at most ``size`` pixels on a side; empty if the image cannot be decoded."""
    try:
        small = _READER.read(image)
    except PictureError:
        return ""
    small.thumbnail((size, size))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
