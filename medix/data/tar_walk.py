"""The headers of a tar file, one after the other, and what is wrong with them.

``tarfile`` and WebDataset take a damaged header after the first, and a file that is cut between two members, for the
end of the archive: they read fewer samples and report nothing.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_BLOCK = 512
_CHUNK = 1 << 20


def tar_faults(path: Path) -> Iterator[str]:
    """What is wrong with the structure of a tar file, each fault with its position; nothing for a sound file.

    Contents of members are skipped, so that the time depends on the number of members and not on the size.

    Args:
        path: of an uncompressed tar.

    Raises:
        OSError: the file cannot be read.
    """
    if path.exists() and not path.is_file():
        return  # a pipe, whose opening would wait for a writer: whoever opens a shard refuses it
    size = path.stat().st_size
    with path.open("rb") as file:
        position, last = 0, ""
        while position < size:
            file.seek(position)
            block = file.read(_BLOCK)
            after = f", after member {last!r}" if last else ""
            if block == b"\0" * _BLOCK:
                if content := _content_from(file, position + _BLOCK):
                    yield f"the archive ends at byte {position:,}{after}, but content follows at byte {content:,}"
                return
            if len(block) < _BLOCK:
                yield f"the file ends within the header at byte {position:,}{after}: it is cut"
                return
            try:
                member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            except tarfile.HeaderError as error:
                yield f"no valid header at byte {position:,}{after} ({error}); no member from there on can be read"
                return
            if member.size < 0:
                yield f"the header of member {member.name!r} at byte {position:,} states {member.size:,} bytes"
                return
            if (end := position + _BLOCK + member.size) > size:
                yield (
                    f"the file ends within member {member.name!r}: {size - position - _BLOCK:,} of {member.size:,} "
                    "bytes are there; it is cut"
                )
                return
            position, last = -(-end // _BLOCK) * _BLOCK, member.name
        yield "the end-of-archive mark is missing: the file may be cut between two members"


def _content_from(file: BinaryIO, position: int) -> int:
    """Position of the first byte that is not zero; 0 if there is none."""
    file.seek(position)
    while chunk := file.read(_CHUNK):
        if stripped := chunk.lstrip(b"\0"):
            return position + len(chunk) - len(stripped)
        position += len(chunk)
    return 0
