"""Samples from the rows of tables: what Parquet, CSV, JSON lines and hubs have in common."""

import hashlib
import json
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from medix.data.sources.answer_kind import with_answer_kind
from medix.data.sources.image_cell import image_list
from medix.data.sources.inline_image import is_name
from medix.data.sources.layouts import asked_of_all, recognised, told
from medix.data.sources.modality_names import MODALITY_TAGS
from medix.data.sources.source import RowError, Source, SourceRow, stamp
from medix.data.sources.table_cell import cell, has, passes
from medix.data.sources.table_file import TableError
from medix.data.sources.table_images import ImageFiles
from medix.data.sources.table_sample import CellRow, TableSample, told_counts
from medix.data.sources.table_schema import TableData
from medix.modality import PAPER_MODALITIES, ModalitySet
from medix.types import Sample

SCHEMA = "--columns"
"""What stands for the name of a layout that the user states."""


@dataclass(frozen=True)
class Reading:
    """How rows are read, beside the file.

    Args:
        data: what the columns mean; None if the layout is to be recognised by their names.
        modalities: the valid tags.
        root: folder that images must lie in; None for that of the file.
        question: asked of every row, where no column holds one.
        answer_from: column of the answer, with ``question``.
        modality_column: column of the modality; empty for that of the layout.
    """

    data: TableData | None = None
    modalities: tuple[str, ...] = PAPER_MODALITIES
    root: Path | None = None
    question: str = ""
    answer_from: str = ""
    modality_column: str = ""

    def table(self, where: str, names: Sequence[str], files: Collection[str] = ()) -> tuple[str, TableData]:
        """Name of the layout, and what the columns mean.

        Args:
            where: the input, for messages.
            names: its columns.
            files: names of its files.

        Raises:
            TableError: a column is not there, no layout is recognised, or ``data`` and ``answer_from`` are both given.
        """
        if self.data is not None and self.answer_from:
            raise TableError(
                f"--answer-from {self.answer_from}: --columns names the answer too; leave --answer-from out, or name "
                "the column in --columns"
            )
        if not any(names):
            raise TableError(f"{where}: it is empty; give a table with named columns")
        name, data = SCHEMA, self.data
        if data is None and self.answer_from:
            name, data = "--answer-from", asked_of_all(self.answer_from, names, files)
        if data is None:
            found = recognised(names, files)
            if found is None:
                raise TableError(
                    f"{where}: its columns are {', '.join(names)}, which is no layout that is recognised; state with "
                    "--columns FILE which columns mean what, or ask with --question TEXT --answer-from COLUMN"
                )
            name, data = found[0].name, found[1]
        if self.modality_column:
            data = replace(data, columns=replace(data.columns, modality=self.modality_column), modality="")
        if data.columns.modality:
            data = replace(data, modality_tags=MODALITY_TAGS | data.modality_tags)
        for key, column in (*data.columns.named(), *((f"filter.{one}", one) for one in data.filter)):
            if not has(names, column):
                option = {self.modality_column: "--modality-column", self.answer_from: "--answer-from"}.get(column)
                raise TableError(
                    f"{where}: there is no column {column!r} ({option or f'data.{key}'}); its columns are "
                    f"{', '.join(names)}"
                )
        return name, data


class TableSource(Source):
    """Rows of a table with the columns of a question, an answer and images.

    Columns without a meaning become metadata where columns are recognised by their names; of a schema, only
    ``question_type`` and ``subgroup`` do, so that no column is stored by accident.

    Args:
        path: the file, folder or name.
        reading: how it is read.
    """

    def __init__(self, path: Path, reading: Reading = Reading()) -> None:
        self.path = path
        self.reading = reading
        self._opened: ImageFiles | None = None

    @abstractmethod
    def names(self) -> Sequence[str]:
        """Names of the columns; of rows that each have their own, those of any row."""

    @abstractmethod
    def cells(self) -> Iterator[tuple[str, CellRow | RowError]]:
        """Where each row stands, and its cells by column."""

    @property
    def folder(self) -> Path:
        """Folder that names of images are relative to."""
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def archive(self) -> Path | None:
        """ZIP file that holds the images; None for files."""
        return None

    @cached_property
    def layout(self) -> tuple[str, TableData]:
        """Name of the layout, and what the columns mean."""
        name, data = self.reading.table(str(self.path), self.names(), [file.name for file in self.files()])
        return name, with_answer_kind(data, self.some, ModalitySet(self.reading.modalities))

    @cached_property
    def _made(self) -> TableSample:
        reading, (name, data) = self.reading, self.layout
        is_guessed = name != SCHEMA
        return TableSample(data, ModalitySet(reading.modalities), reading.question, is_guessed, is_guessed)

    @property
    def has_ids(self) -> bool:
        """Whether a column holds ids."""
        return bool(self.layout[1].columns.id)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_opened": None}

    def rows(self) -> Iterator[SourceRow]:
        """The rows that the filter leaves."""
        wanted = self.layout[1].filter
        for where, cells in self.cells():
            if isinstance(cells, RowError) or passes(cells, wanted):
                yield SourceRow(where, cells)

    def sample(self, row: SourceRow) -> Sample:
        """The sample of a row."""
        return self._made.of(row.where, row.content, self._images(), self.counts)

    def fingerprint(self) -> str:
        """Of the files, their images and the arguments."""
        parts = [str(self.path), repr(self.reading), repr(self.layout), *map(stamp, self.files())]
        if self.archive is not None:
            parts.append(stamp(self.archive))
        parts += [stamp(self._images().path(name)) for name in sorted(self._named())]
        return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def notes(self, counts: Counter[str]) -> list[str]:
        """What the columns were taken for, and what became of images."""
        name, data = self.layout
        return [f"columns ({name}): {told(data)}", *told_counts(counts)]

    def some(self, columns: Collection[str]) -> Iterator[CellRow | RowError]:  # noqa: ARG002 - of subclasses
        """The rows, of which at least these columns are read."""
        return (cells for _, cells in self.cells())

    def image_names(self, column: str) -> Iterator[Any]:
        """Cells of a column of images, of all rows; those of images that lie in the table may be left out."""
        return (cell(cells, column) for _, cells in self.cells() if not isinstance(cells, RowError))

    def files(self) -> Sequence[Path]:
        """The files that are read."""
        return [self.path]

    def _images(self) -> ImageFiles:
        if self._opened is None:
            root = self.reading.root or self.folder
            self._opened = ImageFiles(self.layout[1], self.folder, ExitStack(), self.archive, root)
        return self._opened

    def _named(self) -> set[str]:
        """Names of all files of images."""
        found: set[str] = set()
        for column in self.layout[1].columns.images:
            for value in self.image_names(column):
                with suppress(ValueError):  # a fault of the row, when its sample is made
                    listed = image_list(value)
                    given = [one.get("path") if isinstance(one, Mapping) else one for one in listed]
                    found.update(one for one in given if isinstance(one, str) and is_name(one))
        return found
