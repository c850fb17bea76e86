"""Questions on DICOM images: a table, or one that is asked of every image."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from medix.data.partition import PATIENT_FIELDS, named_unit
from medix.data.sources.dicom_modality import TAG_OF_CODE
from medix.data.sources.source import RowError
from medix.data.sources.stored_image import unread_image
from medix.data.sources.table_cell import text_of
from medix.data.sources.table_file import TableError, table_suffix, whole
from medix.data.sources.table_images import ImageFiles, TableImage
from medix.data.sources.table_sample import TableSample
from medix.data.sources.table_source import TableSource
from medix.modality import ModalitySet
from medix.types import Sample


@dataclass(frozen=True, slots=True)
class DicomQuestion:
    """One question and what it is about.

    Attributes:
        where: file and row, for messages.
        sample: the question, and what the table says about it, without images; no reference where the header has it.
        names: files, folders or SeriesInstanceUIDs, as the table names them.
        counts: what was decided about the row, as of ``TableSample.of``.
    """

    where: str
    sample: Sample
    names: tuple[str, ...] = ()
    counts: Counter[str] = field(default_factory=Counter)


class _Names(ImageFiles):
    """Gives names of images for their content; they are looked up later."""

    def read(self, name: str) -> TableImage:
        named = f"{self.data.image_folder}/{name}" if self.data.image_folder else name
        return TableImage(name, f"{named}{self.data.image_suffix}".encode(errors="surrogateescape"))


@dataclass(frozen=True)
class DicomQuestions:
    """The questions in a table.

    Args:
        table: with a column that names files, folders or SeriesInstanceUIDs.
    """

    table: TableSource

    def __iter__(self) -> Iterator[DicomQuestion | tuple[str, RowError]]:
        """Every question, or where a row stands and why it is none.

        Raises:
            TableError: the table cannot be read, or lacks a column.
        """
        _, data = self.table.layout
        if not data.columns.images:
            raise TableError(
                f"{self.table.path}: no column names images; call one image, or state with --columns FILE which it is "
                "(columns.images)"
            )
        data = replace(data, modality_tags={**TAG_OF_CODE, **data.modality_tags})
        made = TableSample(
            data, ModalitySet(self.table.reading.modalities), self.table.reading.question, keep=unread_image
        )
        with ExitStack() as stack:
            names = _Names(data, self.table.folder, stack)
            for row in self.table.rows():
                counts = Counter[str]()
                try:
                    if isinstance(row.content, RowError):
                        raise row.content
                    found = made.of(row.where, row.content, names, counts)
                    if not found.images:
                        remedy = "name the file, the folder or the SeriesInstanceUID that the question is about"
                        raise RowError(data.columns.images[0], None, remedy, "no-image")
                except RowError as error:
                    yield row.where, error
                    continue
                if (patient := _patient(row.content)) is not None:
                    found = replace(found, metadata={**found.metadata, PATIENT_FIELDS[0]: patient})
                wanted = tuple(name.decode(errors="surrogateescape") for name in found.images)
                yield DicomQuestion(row.where, replace(found, images=()), wanted, counts)


def _patient(cells: Mapping[str, Any]) -> str | None:
    """What a row names as its patient; empty if it names none, None if the table has no such column."""
    named = [cells[name] for name in PATIENT_FIELDS if name in cells]
    units = (named_unit(whole(cells, text_of(value) or "")) for value in named)
    return next(filter(None, units), "") if named else None


def table_of(path: Path) -> type[TableSource] | None:
    """The kind of table that a file is by its name; None if it is none."""
    from medix.data.sources.csv_file import CsvSource
    from medix.data.sources.jsonl import JsonlSource
    from medix.data.sources.parquet import ParquetSource

    suffix = table_suffix(path)
    others: dict[str, type[TableSource]] = {".csv": CsvSource, ".tsv": CsvSource, ".parquet": ParquetSource}
    return others.get(suffix, JsonlSource) if suffix else None
