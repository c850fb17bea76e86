"""Questions on DICOM images: a table, or one that is asked of every image."""

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from medix.data.sources.source import RowError
from medix.data.sources.table_file import TableError, TableFile
from medix.data.sources.table_images import ImageFiles, TableImage
from medix.data.sources.table_row import Cells
from medix.data.sources.table_schema import Columns, TableData
from medix.modality import ModalitySet

_USUAL = {
    "images": ("image", "images", "image_path", "path", "file", "series", "SeriesInstanceUID"),
    "question": ("question", "problem"),
    "answer": ("answer", "solution", "reference"),
    "id": ("id", "qid"),
    "case": ("case",),
    "modality": ("modality",),
    "source": ("source",),
}
_TAGS = ModalitySet()
_TAGGED = re.compile(r"<([^<>\n]*)>\s*\n(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class DicomQuestion:
    """One question and what it is about.

    Attributes:
        where: file and row, for messages.
        question: the question.
        answers: the reference, and what else is accepted.
        images: files, folders or SeriesInstanceUIDs, as the table names them.
        id: identity of the row; empty where no column holds one.
        case: as the table names it; empty where no column does.
        modality: as the table says; None to have the header say.
        source: as the table says.
    """

    where: str
    question: str
    answers: tuple[str, ...]
    images: tuple[str, ...]
    id: str = ""
    case: str = ""
    modality: str | None = None
    source: str = ""


class _Names(ImageFiles):
    """Names that are looked up later."""

    def read(self, name: str) -> TableImage:
        return TableImage(f"{name}{self.data.image_suffix}")


@dataclass(frozen=True)
class QuestionTable:
    """The questions in a CSV, TSV, JSON lines or Parquet file.

    Args:
        path: the file.
        data: what its columns mean; None looks for the usual names (``image``, ``question``, ``answer``, ``id``, …).
        modalities: tags that an answer may begin with, as in JSON lines of medix (``<CT_SCAN>``, a line break, the
            answer).
    """

    path: Path
    data: TableData | None = None
    modalities: ModalitySet = _TAGS

    def __iter__(self) -> Iterator[DicomQuestion | tuple[str, RowError]]:
        """Every question, or where a row stands and why it is none.

        Raises:
            TableError: the file cannot be read, or lacks a column.
        """
        file = TableFile(self.path)
        data = self.data
        with ExitStack() as stack:
            for number, cells in file:
                if data is None:
                    data = TableData(_usual_columns(self.path, file.columns or tuple(cells)))
                where = f"{self.path.name}, row {number}"
                try:
                    yield self._question(Cells(data, where, cells, _Names(data, self.path.parent, stack)), where)
                except TableError as error:
                    yield where, RowError("row", number, str(error), "invalid")
                except RowError as error:
                    yield where, error

    def _question(self, cells: Cells, where: str) -> DicomQuestion:
        row = cells.row()
        answers, modality = row.answers, row.modality
        if answers and (found := _TAGGED.fullmatch(answers[0])) and (tag := self.modalities.parse(found[1])):
            answers, modality = (found[2].strip(), *answers[1:]), tag
        for key, value in (("question", row.question), ("answer", answers and answers[0])):
            if not value:
                raise RowError(key, value or None, f"the row has no {key}; write one or remove the row", "empty")
        if not row.images:
            remedy = "name the file, the folder or the SeriesInstanceUID that the question is about"
            raise RowError("image", None, remedy, "empty")
        names = tuple(image.name for image in row.images)
        return DicomQuestion(where, row.question, answers, names, row.id, row.case, modality, row.source)


def _usual_columns(path: Path, names: Sequence[str]) -> Columns:
    found = {key: next((name for name in usual if name in names), "") for key, usual in _USUAL.items()}
    for key in ("images", "question", "answer"):
        if not found[key]:
            raise TableError(
                f"{path}: no column is named {' or '.join(_USUAL[key])}; its columns are {', '.join(names)}. Rename "
                "one, or say what they mean with --columns FILE"
            )
    return Columns(
        images=[found["images"]],
        question=found["question"],
        answer=found["answer"],
        id=found["id"],
        case=found["case"],
        modality=found["modality"],
        source=found["source"],
    )
