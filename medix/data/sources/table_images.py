"""Images that a table gives by name: files beside it, or members of an archive."""

import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medix.data.picture import ENDINGS
from medix.data.record import is_stored
from medix.data.sources.inline_image import MAX_BYTES, holds_inline, shown
from medix.data.sources.table_schema import TableData

MAX_INFLATED = MAX_BYTES
"""Bytes of a member of an archive, as of a deflated DICOM file."""

_UNREADABLE = (OSError, KeyError, ValueError, RuntimeError, EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
"""Of files, and of damaged, encrypted (``RuntimeError``) or unknown (``NotImplementedError``) members of archives."""
_LONGEST_SHOWN = 180  # characters of a name

_IMAGE_NAME = re.compile(rf"[^\n]{{1,255}}\.({'|'.join([*ENDINGS, 'dcm'])})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TableImage:
    """One image of a row.

    Attributes:
        name: file name, or the column that holds it.
        data: encoded bytes; empty if there are none, and ``fault`` says why.
        fault: why it cannot be read.
        number: its place among the image columns, or in their lists, from 1; empty cells are counted.
        is_outside: whether the fault is that the file lies outside of the folder of images.
        cell: what a cell holds that names no file and cannot be read, at most a part of a long one.
        remedy: then the fault without column and cell; empty otherwise.
    """

    name: str
    data: bytes = b""
    fault: str = ""
    number: int = 1
    is_outside: bool = False
    cell: object = None
    remedy: str = ""

    @classmethod
    def unread(cls, column: str, value: object, remedy: str, number: int = 1) -> "TableImage":
        """What a cell is that cannot be read.

        Args:
            column: that holds it.
            value: the cell, or an element of its list.
            remedy: what is wrong and what to do.
            number: as the attribute.
        """
        cell = value[:_LONGEST_SHOWN] if isinstance(value, str) else value
        if isinstance(value, bytes | Mapping | list | tuple):
            cell = shown(value)
        fault = f"column {column}: {shown(value)}; {remedy}"
        return cls(column, fault=fault, number=number, cell=cell, remedy=remedy)


@dataclass(frozen=True)
class ImageFiles:
    """Reads images by their names.

    Args:
        data: where they are.
        folder: of the table's file.
        stack: closes archives.
        archive: that holds them; None for files.
        root: folder that no file may lie outside of, also not by a symbolic link, and that names are relative to,
            too; None for any file.
    """

    data: TableData
    folder: Path
    stack: ExitStack
    archive: Path | None = None
    root: Path | None = None
    _open: dict[Path, zipfile.ZipFile] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """Where the file of a name lies: below the table's folder, or where that has none, below the root."""
        inner = Path(self.data.image_folder, f"{name}{self.data.image_suffix}")
        path = self.folder / inner
        if self.root is None or (os.path.exists(path) and self._is_inside(path)):
            return path
        below = self.root / inner
        return below if os.path.isfile(below) else path

    def read(self, name: str) -> TableImage:
        """The image of a name; with its fault where it cannot be read."""
        path = self.path(name)
        name += self.data.image_suffix
        try:
            if self.archive is not None:
                return TableImage(name, self._member(self.archive, name))
            if self._is_inside(path):
                return TableImage(name, _content(path))
            assert self.root is not None
            if not os.path.exists(path) and self._is_inside(self.root / self.data.image_folder / name):
                return TableImage(name, fault=self._missing(path))
            return TableImage(name, fault=outside(path, self.root), is_outside=True)
        except _UNREADABLE as error:
            if isinstance(error, FileNotFoundError) and self.root is not None:
                return TableImage(name, fault=self._missing(path))
            reason = getattr(error, "strerror", None) or error
            return TableImage(name, fault=f"the image {_short(name)} cannot be read ({reason})")

    def _missing(self, path: Path) -> str:
        other = f", nor one in {self.root}" if self.root != self.folder else ""
        return f"there is no {_short(str(path))}{other}; correct the name, or give the folder of the images with --root"

    def _is_inside(self, path: Path) -> bool:
        return self.root is None or path.resolve().is_relative_to(self.root.resolve())

    def _member(self, archive: Path, name: str) -> bytes:
        if archive not in self._open:
            self._open[archive] = self.stack.enter_context(zipfile.ZipFile(archive))
        opened = self._open[archive]
        inner = f"{self.data.image_folder}/{name}" if self.data.image_folder else name
        member = opened.getinfo(inner if inner in opened.NameToInfo else name)
        if member.file_size > MAX_INFLATED:
            raise ValueError(f"it has {member.file_size} bytes, more than {MAX_INFLATED}")
        return opened.read(member)


def _content(path: Path) -> bytes:
    """The bytes of a file; raises OSError for a pipe, which would wait for a writer, a device or a folder."""
    if os.path.exists(path) and not os.path.isfile(path):
        raise OSError("it is no file, but a folder, a pipe or a device")
    return path.read_bytes()


def _short(name: str) -> str:
    """A name in a message, where an image may stand in its place."""
    return name if len(name) <= _LONGEST_SHOWN else f"{name[:60]}…{name[-60:]}"


def holds_image(value: Any) -> bool:
    """Whether a cell names a file of an image or holds an encoded one, also in an object or a list."""
    if isinstance(value, Mapping):
        return holds_image(value.get("bytes")) or holds_image(value.get("path"))
    if isinstance(value, list | tuple):
        return any(map(holds_image, value))
    if isinstance(value, bytes):
        return is_stored(value)
    return isinstance(value, str) and (bool(_IMAGE_NAME.fullmatch(value.strip())) or holds_inline(value))


def outside(path: Path, root: Path) -> str:
    """That a file is refused because it lies outside of a folder, and the remedy."""
    leads = f" (it leads to {path.resolve()})" if path.is_symlink() else ""
    return f"the file {path} lies outside of {root}{leads} and is not read; move it, or name a wider folder with --root"
