"""Thumbnails as ``data:`` URLs for an HTML page."""

import base64
import io

from PIL import Image, ImageOps

_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""Exceptions that Pillow raises for bytes that it cannot or should not decode."""


def thumbnail(image: bytes, size: int = 320) -> str:
    """A ``data:`` URL of a JPEG of at most ``size`` pixels on a side; empty if the image cannot be decoded."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            small = ImageOps.exif_transpose(opened).convert("RGB")
            small.thumbnail((size, size))
    except _UNREADABLE:
        return ""
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
