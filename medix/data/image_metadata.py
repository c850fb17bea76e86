"""Removes from JPEG and PNG files what is no part of the picture: EXIF, XMP, IPTC, comments, texts, previews.

They may name people, places and devices. The compressed pixels are copied byte by byte. What changes how they are shown
stays: colour profiles, the transform that an Adobe segment states, transparency, and the orientation, alone, as EXIF.
"""

import io
import re
import zlib
from collections.abc import Iterator

from PIL import ExifTags, Image

_JPEG, _END_OF_IMAGE, _SCAN = b"\xff\xd8", 0xD9, 0xDA
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD8))
_JFIF, _ICC, _ADOBE = (0xE0, b"JFIF\0"), (0xE2, b"ICC_PROFILE\0"), (0xEE, b"Adobe")
_APPLICATION = (*range(0xE0, 0xF0), 0xFE)
"""Markers of segments of applications, and of comments."""

_JFIF_BYTES = 12  # identifier, version and density, in front of the size of a preview
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")

_PNG, _PNG_END = b"\x89PNG\r\n\x1a\n", b"IEND"
_PNG_KEPT = (
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"sBIT", b"bKGD", b"pHYs", b"hIST",
    b"cICP", b"mDCV", b"cLLI",
)  # fmt: skip


def without_metadata(data: bytes) -> bytes:
    """A JPEG or PNG file that holds the picture alone; the same bytes if it held nothing else.

    Args:
        data: a file that can be decoded.

    Raises:
        ValueError: its structure is not known, though it can be decoded.
    """
    is_png = data.startswith(_PNG)
    kept = b"".join(_png_kept(data) if is_png else _jpeg_kept(data))
    if kept == data or (orientation := _orientation(data)) == 1:
        return kept
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    held = exif.tobytes()
    return _with_png_exif(kept, held) if is_png else _with_jpeg_exif(kept, held)


def _orientation(data: bytes) -> int:
    """As ``ImageOps.exif_transpose`` reads it, also from XMP."""
    with Image.open(io.BytesIO(data)) as opened:
        found = opened.getexif().get(ExifTags.Base.Orientation, 1)
    return found if found in range(2, 9) else 1


def _jpeg_kept(data: bytes) -> Iterator[bytes]:
    """The segments that are kept, up to the end of the first image."""
    if not data.startswith(_JPEG):
        raise ValueError("it does not begin as a JPEG or PNG file")
    yield _JPEG
    place = len(_JPEG)
    while True:
        if data[place : place + 1] != b"\xff" or place + 1 >= len(data):
            raise ValueError(f"there is no marker at byte {place}")
        marker = data[place + 1]
        if marker == 0xFF:  # filling in front of a marker
            place += 1
            continue
        end = place + 2
        if marker != _END_OF_IMAGE and marker not in _WITHOUT_LENGTH:
            end += int.from_bytes(data[end : end + 2], "big")
            if not place + 4 <= end <= len(data):
                raise ValueError(f"the segment at byte {place} has no length, or is cut")
        if marker == _SCAN:
            after = _AFTER_SCAN.search(data, end)
            if after is None:
                raise ValueError("it has no end")
            end = after.start()
        yield _segment(marker, data[place:end])
        if marker == _END_OF_IMAGE:
            return
        place = end


def _segment(marker: int, segment: bytes) -> bytes:
    """What is kept of a segment."""
    content = segment[4:]
    if (marker, content[:5]) == _JFIF and len(content) >= _JFIF_BYTES + 2:
        return b"\xff\xe0\x00\x10" + content[:_JFIF_BYTES] + b"\0\0"  # without a preview
    is_shown = any(marker == kind and content.startswith(name) for kind, name in (_ICC, _ADOBE))
    return b"" if marker in _APPLICATION and not is_shown else segment


def _with_jpeg_exif(data: bytes, exif: bytes) -> bytes:
    """With a segment of EXIF at the beginning, behind that of JFIF."""
    place = len(_JPEG)
    if data[place + 4 : place + 9] == _JFIF[1]:
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return data[:place] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + data[place:]


def _png_kept(data: bytes) -> Iterator[bytes]:
    """The chunks that are kept, each of a length of 4 bytes, a type of 4, the content and 4 of a checksum."""
    yield _PNG
    place = len(_PNG)
    while True:
        kind = data[place + 4 : place + 8]
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if end > len(data):
            raise ValueError(f"the chunk at byte {place} is cut")
        if kind in _PNG_KEPT:
            yield data[place:end]
        if kind == _PNG_END:
            return
        place = end


def _with_png_exif(data: bytes, exif: bytes) -> bytes:
    """With a chunk of EXIF behind the header, which has 13 bytes."""
    content = b"eXIf" + exif.removeprefix(b"Exif\0\0")
    place = len(_PNG) + 12 + 13
    chunk = (len(content) - 4).to_bytes(4, "big") + content + zlib.crc32(content).to_bytes(4, "big")
    return data[:place] + chunk + data[place:]
