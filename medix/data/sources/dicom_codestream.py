"""The size that a compressed picture states itself, before it is decoded."""

import struct

_JPEG = b"\xff\xd8"
_JPEG_2000 = b"\xff\x4f\xff\x51"
_NO_FRAME = (0xC4, 0xC8, 0xCC)
_JPEG_LS = 0xF7
_BOXES = 256


def size_of(stream: bytes) -> tuple[int, int] | None:
    """Rows and columns of a JPEG, JPEG-LS or JPEG 2000 codestream; None if it is none, or does not say.

    Decoders reserve memory for the size that the codestream states, whatever the DICOM header says: a picture of a few
    bytes that states 60,000 x 60,000 pixels is no picture.

    Args:
        stream: the beginning of the codestream: ISO/IEC 10918-1 B.2.2, 14495-1 C.2.2 or 15444-1 A.5.1.
    """
    if stream.startswith(_JPEG):
        return _jpeg(stream)
    start = stream[:_BOXES].find(_JPEG_2000)  # some files hold a JP2 file, whose boxes come first
    if start < 0 or len(stream) < start + 24:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", stream, start + 8)
    return bottom - top, right - left


def _jpeg(stream: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(stream):
        if stream[place] != 0xFF:
            return None
        marker = stream[place + 1]
        if marker == 0xFF or marker == 0x01 or 0xD0 <= marker <= 0xD8:  # fill bytes, and markers without a length
            place += 1 if marker == 0xFF else 2
            continue
        if (0xC0 <= marker <= 0xCF and marker not in _NO_FRAME) or marker == _JPEG_LS:
            rows, columns = struct.unpack_from(">2H", stream, place + 5)
            return (rows, columns) if rows else None  # 0: stated after the first scan
        place += 2 + struct.unpack_from(">H", stream, place + 2)[0]
    return None
