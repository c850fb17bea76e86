"""Question-answer rows of a data set on the Hugging Face hub, or of a folder laid out like one."""

from collections.abc import Collection, Iterator, Sequence
from functools import cached_property
from itertools import islice
from pathlib import Path

from medix.data.sources.table_hub import HubTable
from medix.data.sources.table_sample import CellRow
from medix.data.sources.table_source import Reading, TableSource


class HubSource(TableSource):
    """The rows of one split, read through ``datasets``.

    Args:
        name: of the data set, or a folder.
        reading: how it is read; ``data.image_archive`` names a ZIP file of images on the hub.
        split: the split.
        config: the configuration; empty for the only one.
        revision: commit, branch or tag; empty for the main branch.

    Raises:
        ValueError: ``name`` is that of a file, or a path at which nothing is.
    """

    def __init__(self, name: str, reading: Reading, split: str, config: str = "", revision: str = "") -> None:
        super().__init__(Path(name), reading)
        if self.path.is_file():
            raise ValueError(f"--from hub {name}: is a file; name its kind, such as --from parquet, or give its folder")
        is_path = self.path.is_absolute() or name.startswith((".", "~")) or len(self.path.parts) > 2
        if is_path and not self.path.is_dir():
            raise ValueError(f"--from hub {name}: is no folder; correct the path, or give the OWNER/NAME of a data set")
        self.table = HubTable(
            name, config, split, revision, "give its files by their kind (--from parquet, csv, jsonl)"
        )

    @property
    def folder(self) -> Path:
        """Folder that names of images are relative to: never the present one, whose files are not of the data set."""
        return self.path if self.path.is_dir() else self.reading.root or self.table.downloads

    @cached_property
    def archive(self) -> Path | None:
        """ZIP file that holds the images."""
        data = self.reading.data
        return self.table.file(data.image_archive) if data is not None and data.image_archive else None

    def files(self) -> Sequence[Path]:
        """None: ``datasets`` names what it has read (``fingerprint``)."""
        return []

    def names(self) -> Sequence[str]:
        """The columns."""
        return next((list(row) for _, _, row in islice(self.table, 1)), [])

    def cells(self) -> Iterator[tuple[str, CellRow]]:
        """The rows."""
        for where, number, row in self.table:
            yield f"{where}, row {number}", row

    def some(self, columns: Collection[str]) -> Iterator[CellRow]:
        """The rows, of which only these columns are read."""
        return self.table.some(columns)

    def image_names(self, column: str) -> Iterator[str]:
        """What names files in a column."""
        return self.table.names(column)

    def total(self) -> int:
        """Number of rows, those that a filter leaves out included."""
        return len(self.table)

    def fingerprint(self) -> str:
        """Of the data as ``datasets`` has read it, and of the arguments."""
        return f"{super().fingerprint()} {self.table.fingerprint}"
