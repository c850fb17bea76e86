"""The samples of a tar in WebDataset's layout, by the places of their members; nothing is read of these."""

import io
import os
import tarfile
from collections.abc import Callable
from typing import NamedTuple

_LONGEST_EXTENSION = 1 << 20  # bytes; of long names and PAX records, which tarfile reads whole

_EXTENSIONS = (
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
)  # fmt: skip

_SORT = "pack them sorted: tar --sort=name -cf NEW.tar -C FOLDER ."
_FOLLOW = "; pack what the links lead to: tar --hard-dereference -h --sort=name -cf NEW.tar -C FOLDER ."

SplitName = Callable[[str], tuple[str, str] | None]
"""Key and extension of a member by its name; None for one that is passed over."""


class TarSample(NamedTuple):
    """The members of one sample: offset and size by extension, in order."""

    key: str
    members: dict[str, tuple[int, int]]


class TarLayoutError(ValueError):
    """A tar has not the layout of samples.

    Args:
        what: is wrong.
        expected: what should be there.
        found: what is there.
    """

    def __init__(self, what: str, expected: str, found: str) -> None:
        super().__init__(f"{what}: expected {expected}, found {found}")
        self.what, self.expected, self.found = what, expected, found


class _Member(tarfile.TarInfo):
    """A header whose size is not taken on trust: tarfile would seek backwards, or ask for that much memory."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Member":
        member = super().frombuf(buf, encoding, errors)
        if member.size < 0 or (member.type in _EXTENSIONS and member.size > _LONGEST_EXTENSION):
            raise TarLayoutError("members", "possible sizes", f"{member.name!r} of {member.size} bytes")
        return member


def tar_samples(stream: io.BufferedReader, split_name: SplitName) -> list[TarSample]:
    """The samples in order.

    Python and WebDataset take a damaged header for the end of a tar: the number of samples must be compared with what
    is known.

    Raises:
        TarLayoutError: it is no uncompressed tar, a member is no plain file, the members of a sample are not adjacent,
            or a name stands twice.
        ValueError: of ``split_name``.
    """
    found: list[TarSample] = []
    seen: set[str] = set()
    size = stream.seek(0, os.SEEK_END)
    stream.seek(0)
    try:
        with tarfile.open(fileobj=stream, mode="r:", tarinfo=_Member) as tar:
            for member in tar:
                if not 0 <= member.size <= size - member.offset_data:  # PAX records may state another than the header
                    raise TarLayoutError("members", "possible sizes", f"{member.name!r} of {member.size} bytes")
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    remedy = _FOLLOW if member.issym() or member.islnk() else ""
                    raise TarLayoutError("members", "plain files", f"{member.name!r} of type {member.type!r}{remedy}")
                name = split_name(member.name)
                if name is None:
                    continue
                key, extension = name
                if not found or key != found[-1].key:
                    if key in seen:
                        raise TarLayoutError(
                            "members", "those of a sample to be adjacent", f"key {key} in two places; {_SORT}"
                        )
                    seen.add(key)
                    found.append(TarSample(key, {}))
                if extension in found[-1].members:
                    raise TarLayoutError("members", "unique names", f"{member.name!r} twice")
                found[-1].members[extension] = member.offset_data, member.size
    except (tarfile.TarError, RecursionError) as error:
        raise TarLayoutError("format", "an uncompressed tar", str(error)) from error
    return found
