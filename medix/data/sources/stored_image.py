"""Images as shards hold them: JPEG and PNG files as they are, other formats as PNG."""

import io
from collections import Counter
from collections.abc import Iterator

from PIL import Image

from medix.data.picture import LOSSLESS, open_picture, png
from medix.data.record import is_stored

_JPEG_METADATA = {"exif", "xmp", "comment", "photoshop"}
"""Names that Pillow gives to EXIF, XMP, comments and IPTC."""

_PNG_METADATA = {b"eXIf", b"tEXt", b"zTXt", b"iTXt"}
_PNG = b"\x89PNG\r\n\x1a\n"


def stored_image(data: bytes, counts: Counter[str]) -> bytes:
    """An encoded image as it is stored, after it was decoded once.

    Other formats than JPEG and PNG become PNG: upright, without loss, but values that PNG cannot hold (floats, 32 bits)
    in eight bits (see ``medix.data.picture``).

    Args:
        data: the file.
        counts: ``converted`` and ``reduced`` count what was changed, ``with metadata`` the files whose EXIF
            or text is stored with them.

    Raises:
        PictureError: it cannot be decoded, or is not one picture.
    """
    picture = open_picture(data)
    if is_stored(data):
        counts["with metadata"] += _has_metadata(data)
        return data
    counts["converted"] += 1
    counts["reduced"] += picture.mode not in LOSSLESS
    return png(picture)


def conversions(counts: Counter[str]) -> list[str]:
    """What became of images that are neither JPEG nor PNG, and how many others hold metadata, as sentences."""
    converted, reduced = counts["converted"], counts["reduced"]
    found = []
    if counts["with metadata"]:
        found.append(
            f"images that are stored with EXIF or text, which may name people, places and devices: "
            f"{counts['with metadata']:,}; remove it from the files if it must not be passed on"
        )
    if not converted:
        return found
    told = f"; {reduced} of them in eight bits, because PNG cannot hold their values" if reduced else ""
    return [*found, f"{converted} image{' was' if converted == 1 else 's were'} stored as PNG, upright{told}"]


def _has_metadata(data: bytes) -> bool:
    if data.startswith(_PNG):
        return any(kind in _PNG_METADATA for kind in _chunks(data))
    with Image.open(io.BytesIO(data)) as opened:  # reads the header alone
        return bool(_JPEG_METADATA & opened.info.keys())


def _chunks(data: bytes) -> Iterator[bytes]:
    """Types of the chunks of a PNG file, each of a length of 4 bytes, a type of 4, the content and 4 of a checksum."""
    place = len(_PNG)
    while place + 8 <= len(data):
        yield data[place + 4 : place + 8]
        place += 12 + int.from_bytes(data[place : place + 4], "big")
