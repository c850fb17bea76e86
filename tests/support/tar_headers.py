"""Headers of tar members that say what no program writes."""

import tarfile


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    """A header with a valid checksum that states any size, also a negative one."""
    data = bytearray(tarfile.TarInfo(name).tobuf(tarfile.USTAR_FORMAT))
    data[124:136] = bytes([0x80 if size >= 0 else 0xFF]) + (size % 256**11).to_bytes(11, "big")
    data[156:157] = kind
    data[148:156] = b" " * 8
    data[148:156] = b"%06o\0 " % sum(data)
    return bytes(data)
