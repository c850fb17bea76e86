"""Question-answer rows in a table: a reader for files and dataset hubs."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from medix.data.sources.answer_kind import with_answer_kind
from medix.data.sources.choice_notes import choice_notes
from medix.data.sources.source import RowError
from medix.data.sources.table_cell import has, passes
from medix.data.sources.table_file import SUFFIXES, TableError, TableFile
from medix.data.sources.table_hub import HubTable
from medix.data.sources.table_images import ImageFiles
from medix.data.sources.table_labels import band_notes
from medix.data.sources.table_row import Cells, TableRow
from medix.data.sources.table_schema import TableData
from medix.modality import ModalitySet


class Table:
    """The rows of a table.

    Args:
        data: where it is, and what its columns mean.
        name: of the table, for default patterns.
        folder: where files are looked for; None reads the hub.

    Attributes:
        files: the files that are read; none for the hub.
        notes: what was decided without being told about the rows that were read last, as sentences.
    """

    def __init__(self, data: TableData, name: str, folder: Path | None = None) -> None:
        self.data = data
        self.name = name
        self.folder = folder
        self.files = () if folder is None else found_files(data, name, folder)
        self.notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[TableRow]:
        """Raises TableError if the table is not there, lacks a column, or a row makes no sense."""
        if self.folder is not None and not self.files:
            patterns = ", ".join(local_patterns(self.data, self.name)[:4])
            raise TableError(f"{self.name}: {self.folder} holds none of {patterns}, …; {how_to_get(self.data)}")
        if self.folder is None and not self.data.hub:
            raise TableError(f"{self.name}: is not on a hub; give --data with a folder that holds its files")
        missing, counts = self._wanted, Counter[str]()
        data = with_answer_kind(self.data, self._some, ModalitySet())
        with ExitStack() as stack:
            for where, row, images in self._rows(missing, stack):
                missing = _not_in(row, missing)
                if passes(row, data.filter):
                    found = Cells(data, where, row, images).row()
                    counts.update(found.notes)
                    yield found
        self._refuse(missing)
        self.notes = (*choice_notes(counts), *band_notes(counts))

    def check_columns(self) -> None:
        """See to it that some row has each column; asked where a row makes no sense, since that may be why.

        Raises:
            TableError: no row has a column, or the table cannot be read.
        """
        missing = self._wanted
        with ExitStack() as stack:
            for _, row, _ in self._rows(missing, stack):
                if not (missing := _not_in(row, missing)):
                    return
        self._refuse(missing)

    @property
    def _wanted(self) -> dict[str, str]:
        return dict(self.data.columns.named()) | {f"filter.{name}": name for name in self.data.filter}

    def _refuse(self, missing: Mapping[str, str]) -> None:
        if missing:  # JSON lines may leave empty fields out, but not everywhere
            key, column = next(iter(missing.items()))
            raise TableError(f"{self.name}: no row has the column {column!r} (data.{key}); correct the name")

    def _rows(
        self, wanted: Mapping[str, str], stack: ExitStack
    ) -> Iterator[tuple[str, Mapping[str, Any], "ImageFiles"]]:
        """The rows; raises TableError behind the last one if there was none, since no column can be missed then."""
        is_empty = True
        for found in self._read(wanted, stack):
            is_empty = False
            yield found
        if is_empty:
            more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
            where = self.files[0] if self.files else self.data.hub
            raise TableError(f"{self.name}: {where}{more} has no rows; give a table that has some")

    @cached_property
    def _hub(self) -> HubTable:
        return HubTable(self.data.hub, self.data.config, self.data.split, self.data.revision)

    def _some(self, columns: Collection[str]) -> Iterator[Mapping[str, Any] | RowError]:
        if self.folder is None:
            yield from self._hub.some(columns)
        for path in self.files:
            yield from TableFile(path).some(columns)

    def _read(
        self, wanted: Mapping[str, str], stack: ExitStack
    ) -> Iterator[tuple[str, Mapping[str, Any], "ImageFiles"]]:
        if self.folder is None:
            archive = self._hub.file(self.data.image_archive) if self.data.image_archive else None
            images = ImageFiles(self.data, Path(), stack, archive)
            for part, number, row in self._hub:
                yield f"{part}, row {number}", row, images
            return
        for path in self.files:
            file = TableFile(path)
            known = file.columns
            for key, column in wanted.items():
                if known is not None and not has(known, column):
                    raise TableError(
                        f"{path}: there is no column {column!r} (data.{key}); its columns are {', '.join(known)}"
                    )
            images = ImageFiles(self.data, path.parent, stack)
            for number, row in file:
                yield f"{path}, row {number}", row, images


def _not_in(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, str]:
    return {key: column for key, column in columns.items() if not has(row, column)}


def local_patterns(data: TableData, name: str) -> list[str]:
    """The patterns by which files of a table are looked for, in order."""
    usual = ("{name}{suffix}", "{name}/{split}*{suffix}", "{name}/data/{split}-*{suffix}")
    return [
        *data.local,
        *(one.format(name=name, split=data.split, suffix=suffix) for one in usual for suffix in SUFFIXES),
    ]


def found_files(data: TableData, name: str, folder: Path) -> tuple[Path, ...]:
    """The files below a folder that the first matching pattern names, sorted.

    Raises:
        TableError: the folder does not exist.
    """
    if not folder.is_dir():
        raise TableError(f"--data {folder}: is no folder; give the one that holds the files of the tasks")
    for pattern in local_patterns(data, name):
        if files := sorted(path for path in folder.glob(pattern) if path.is_file() and not path.name.startswith("._")):
            return tuple(files)
    return ()


def how_to_get(data: TableData) -> str:
    """In words, where the table comes from."""
    if not data.hub:
        return "put its files there"
    return f"leave --data out to read {data.hub} from its hub, or put its files there"
