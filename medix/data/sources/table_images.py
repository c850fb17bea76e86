"""Images that a table gives by name: files beside it, or members of an archive."""

import zipfile
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from medix.data.sources.table_schema import TableData


@dataclass(frozen=True, slots=True)
class TableImage:
    """One image of a row.

    Attributes:
        name: file name, or the column that holds it.
        data: encoded bytes; empty if there are none, and ``fault`` says why.
        fault: why it cannot be read.
        number: its place among the image columns, or in their lists, from 1; empty cells are counted.
    """

    name: str
    data: bytes = b""
    fault: str = ""
    number: int = 1


@dataclass(frozen=True)
class ImageFiles:
    """Reads images by their names.

    Args:
        data: where they are.
        folder: of the table's file.
        stack: closes archives.
        archive: that holds them; None for files.
    """

    data: TableData
    folder: Path
    stack: ExitStack
    archive: Path | None = None
    _open: dict[Path, zipfile.ZipFile] = field(default_factory=dict)

    def read(self, name: str) -> TableImage:
        """The image of a name; with its fault where it cannot be read."""
        name += self.data.image_suffix
        try:
            if self.archive is not None:
                return TableImage(name, self._member(self.archive, name))
            return TableImage(name, (self.folder / self.data.image_folder / name).read_bytes())
        except (OSError, KeyError, zipfile.BadZipFile, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            return TableImage(name, fault=f"the image {name} cannot be read ({reason})")

    def _member(self, archive: Path, name: str) -> bytes:
        if archive not in self._open:
            self._open[archive] = self.stack.enter_context(zipfile.ZipFile(archive))
        opened = self._open[archive]
        inner = f"{self.data.image_folder}/{name}" if self.data.image_folder else name
        return opened.read(inner if inner in opened.NameToInfo else name)
