"""The identity of a folder of model files, by its contents: another model under the same path is another one."""

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

_WHOLE = 2**26  # bytes up to which a file is read as a whole: less than a tenth of a second
_PARTS, _PART = 256, 4096  # of longer files
_SAMPLED = 64  # bytes of each tensor
_LONGEST_HEADER = 100 * 1024**2
_LEFT_OUT = {".md", ".gitattributes", ".gitignore", ".lock", ".metadata", ".png", ".jpg"}


def folder_digest(folder: Path) -> str:
    """Hash of a model folder in eight hexadecimal digits: of the names and contents of its files.

    Files of up to 64 MiB count with all their bytes. Of longer ones, whose reading would take seconds per gigabyte,
    size, head, end and evenly spaced parts count, and of a safetensors file its header and some bytes of each tensor:
    further training changes nearly every number. What was read once is read again only after the file has changed.
    """
    digest = hashlib.blake2b(digest_size=4)
    for path in _files(folder):
        try:
            about = path.stat()
            found = _digest_of(str(path), about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
        except OSError:
            found = b"unreadable"  # loading the model reports it
        digest.update(path.relative_to(folder).as_posix().encode("utf-8", "surrogateescape") + b"\0" + found)
    return digest.hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    """Files of the folder and its folders, but for hidden ones and those that no model is loaded from."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") for part in parts) and path.suffix not in _LEFT_OUT and path.is_file():
            yield path


@lru_cache(maxsize=4096)
def _digest_of(name: str, inode: int, size: int, changed: int, moved: int) -> bytes:  # noqa: ARG001 - the cache's key
    path = Path(name)
    with path.open("rb") as file:
        if size <= _WHOLE:
            return hashlib.file_digest(file, "blake2b").digest()
        found = hashlib.blake2b(f"{size} ".encode())
        for part in _of_tensors(file) if path.suffix == ".safetensors" else ():
            found.update(part)
        for number in range(_PARTS):
            file.seek((size - _PART) * number // (_PARTS - 1))
            found.update(file.read(_PART))
    return found.digest()


def _of_tensors(file: BinaryIO) -> Iterator[bytes]:
    """The header of a safetensors file, and bytes from the middle of each tensor."""
    size = int.from_bytes(file.read(8), "little")
    header = file.read(min(size, _LONGEST_HEADER))
    yield header
    try:
        spans = [entry["data_offsets"] for name, entry in json.loads(header).items() if name != "__metadata__"]
        middles = [(8 + size + (begin + end) // 2, min(_SAMPLED, end - (begin + end) // 2)) for begin, end in spans]
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # not a safetensors file: loading the model reports it
    for place, length in middles:
        file.seek(place)
        yield file.read(length)
