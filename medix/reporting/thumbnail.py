"""A small picture of an image, as text that a page can hold."""

import base64
import io

from PIL import Image, ImageOps

_UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises on bytes that are not an image it can or should open."""


def thumbnail(image: bytes, size: int = 320) -> str:
    """A ``data:`` address of a JPEG no larger than ``size`` pixels on a side; empty if the image does not open."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            small = ImageOps.exif_transpose(opened).convert("RGB")
            small.thumbnail((size, size))
    except _UNREADABLE:
        return ""
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
