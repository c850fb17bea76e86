"""The sample of one row of a table."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan
from typing import Any

from medix.data.image_markers import pieces, renumbered
from medix.data.partition import PATIENT_FIELDS
from medix.data.picture import PictureError
from medix.data.prompt_errors import MarkerError
from medix.data.sources.choice_notes import ANSWERED_OTHERWISE, choice_notes
from medix.data.sources.source import RowError, content_id
from medix.data.sources.stored_image import Keep, conversions, stored_image
from medix.data.sources.table_cell import CellError, cell, text_of
from medix.data.sources.table_choices import lettered, lists_in_order, lists_otherwise
from medix.data.sources.table_file import TextRow, stated, whole
from medix.data.sources.table_images import ImageFiles, TableImage, holds_image
from medix.data.sources.table_labels import band_notes
from medix.data.sources.table_row import Cells, TableRow
from medix.data.sources.table_schema import TableData
from medix.data.sources.tagged_answer import check_bare
from medix.modality import ModalitySet
from medix.types import Sample

CellRow = Mapping[str, Any]
_KEPT, _NOT_KEPT = "metadata ", "no metadata "


@dataclass(frozen=True)
class TableSample:
    """Makes the samples of rows.

    An answer may begin with the tag of the modality (``medix.data.sources.tagged_answer``). Choices, if there are any,
    stand below the question with their letters.

    Args:
        data: what the columns mean.
        modalities: the valid tags.
        question: asked where no column holds a question.
        is_guessed: whether the columns were recognised by their names: then a row without an image is faulty if a
            column without a meaning holds one.
        keeps_columns: whether columns without a meaning become metadata; otherwise only ``question_type`` and
            ``subgroup`` do.
        keep: what becomes of images.
    """

    data: TableData
    modalities: ModalitySet
    question: str = ""
    is_guessed: bool = False
    keeps_columns: bool = False
    keep: Keep = stored_image

    def of(self, where: str, cells: CellRow, files: ImageFiles, counts: Counter[str]) -> Sample:
        """The sample of a row.

        Args:
            where: file and row, for messages.
            cells: by column.
            files: reads images that are given by name.
            counts: see ``keep``; ``text-only`` counts rows without an image, where columns hold images, and
                ``metadata NAME`` those of which a column without a meaning is stored, ``no metadata NAME`` those of
                which it is not, because its cell is a list or the like; beside these, the notes of the row.

        Raises:
            RowError: a cell makes no sense, or the row has no question, answer or image that it should have.
        """
        columns = self.data.columns
        kind = TextRow if isinstance(cells, TextRow) else dict
        cells = kind((name, None if isinstance(one, float) and isnan(one) else one) for name, one in cells.items())
        try:
            found = Cells(self.data, where, cells, files, self.modalities).row()
        except CellError as error:
            raise RowError(error.column or error.key, error.value, error.remedy, error.kind) from error
        if ANSWERED_OTHERWISE in found.notes:
            remedy = f"it is neither the letter nor the text of {found.answers[0]!r}, which the row says is right"
            raise RowError(self._answer_column, found.answers[1], f"{remedy}; correct one of them", "choices")
        images = tuple(self._stored(image, counts) for image in found.images)
        counts["text-only"] += bool(columns.images) and not images
        counts.update(found.notes)
        modality, answers = self._answers(found, cells, bool(images))
        self._check(found, cells)
        numbers = [image.number for image in found.images]
        sample = Sample(
            id=found.id.strip(),
            question=renumbered(self._question(found), numbers),
            reference=renumbered(answers[0], numbers),
            modality=modality if images else None,
            images=images,
            source=found.source,
            aliases=tuple(renumbered(alias, numbers) for alias in answers[1:]),
            case=found.case,
            metadata=self._metadata(found, cells, counts),
        )
        try:
            pieces(sample)
        except MarkerError as error:
            raise RowError(columns.question, sample.question, str(error), "marker") from error
        if columns.id and not sample.id:
            raise RowError(columns.id, found.id, "give every row a unique id", "id")
        return sample if sample.id else replace(sample, id=content_id(sample))

    def _stored(self, image: TableImage, counts: Counter[str]) -> bytes:
        key = next(iter(self.data.columns.images), "image")
        if image.remedy:
            raise RowError(image.name, image.cell, image.remedy, "no-image")
        if image.fault:
            raise RowError(key, image.name, image.fault, "outside" if image.is_outside else "no-image")
        try:
            return self.keep(image.data, counts)
        except PictureError as error:
            raise RowError(key, image.name, f"{error}; replace the file", "image") from error

    def _answers(self, row: TableRow, cells: CellRow, has_images: bool) -> tuple[str | None, tuple[str, ...]]:
        """The modality, if it is stated, and the accepted answers."""
        columns, key = self.data.columns, self._answer_column
        if not row.answers:
            word = text_of(cell(cells, key))
            remedy = "give the reference"
            if isinstance(cells, TextRow) and word and word.strip():
                remedy = f"it stands for nothing in CSV; {remedy}, a choice by its number or letter"
            raise RowError(key, word or None, remedy, "answer")
        for answer in row.answers:
            check_bare(key, answer, self.modalities)
        if row.modality is not None and not has_images and columns.modality:
            raise RowError(columns.modality, row.modality, "a modality without an image", "modality")
        if row.tag and row.modality and row.tag != row.modality:
            remedy = f"the modality of the row is {row.modality}; correct one of them"
            raise RowError(key, f"<{row.tag}>", remedy, "modality")
        return row.tag or row.modality, row.answers

    @property
    def _answer_column(self) -> str:
        columns = self.data.columns
        first = columns.answer if isinstance(columns.answer, str) else next(iter(columns.answer), "")
        return first or columns.answer_index or columns.answer_letter

    def _check(self, row: TableRow, cells: CellRow) -> None:
        """Refuse images in another column, a modality that is no tag, and an answer that is none of the choices."""
        columns = self.data.columns
        used = {column for _, column in columns.named()}
        if self.is_guessed and not row.images:
            for name, value in cells.items():
                if name not in used and holds_image(value):
                    read = " and ".join(columns.images)
                    remedy = (
                        f"images are read from {read}; call the column image"
                        if read
                        else ("no column is known as one of images, and this one holds some; call it image")
                    )
                    remedy += " in all rows, or state it in --columns"
                    raise RowError(name, value, remedy, "no-image")
        told = text_of(cell(cells, columns.modality)) if columns.modality and row.images else ""
        if told and stated(cells, told).strip() and row.modality is None:
            known = f"known: {', '.join(self.modalities)}"
            remedy = f"it is no tag; write one, or state in --columns (modality_tags) which is meant; {known}"
            raise RowError(columns.modality, told, remedy, "modality")
        if row.choices and row.answer_index is None:
            remedy = f"it is none of the choices ({', '.join(row.choices)}); correct the answer or the choices"
            if row.answers[0].isdigit():
                remedy += ", or state in --columns that the column counts them from 0 (columns: {answer_index: NAME})"
            raise RowError(self._answer_column, row.answers[0], remedy, "choices")

    def _question(self, row: TableRow) -> str:
        question = row.question or self.question.strip()
        if not question:
            raise RowError(self.data.columns.question or "question", row.question, "give the question", "question")
        is_listed = lists_in_order(question, row.choices)  # below a text with another list, too
        if not is_listed and lists_otherwise(question, row.choices):
            remedy = (
                f"it lists the choices in another order than their column ({', '.join(row.choices)}); correct one of "
                "them, or state in --columns that no column holds choices"
            )
            raise RowError(self.data.columns.question or "question", row.question, remedy, "choices")
        return "\n\n".join(filter(None, [*row.context, question, "" if is_listed else lettered(row.choices)]))

    def _metadata(self, row: TableRow, cells: CellRow, counts: Counter[str]) -> dict[str, str]:
        if not self.keeps_columns:
            kind = {"question_type": row.question_type} if row.question_type else {}
            return kind | _named_alike(cells, {name: text for name, text in row.subgroup.items() if text})
        used = {column for _, column in self.data.columns.named() if column not in PATIENT_FIELDS}
        texts = {name: text_of(value) for name, value in cells.items() if name.strip() and name not in used}
        kept = _named_alike(cells, {name: text for name, text in texts.items() if text})
        counts.update(f"{_KEPT}{name}" for name in kept)
        counts.update(f"{_NOT_KEPT}{name}" for name, text in texts.items() if text is None)
        return kept


def _named_alike(cells: CellRow, metadata: dict[str, str]) -> dict[str, str]:
    """Metadata in which patients are named as in any other file."""
    return {name: whole(cells, text) if name in PATIENT_FIELDS else text for name, text in metadata.items()}


def told_counts(counts: Counter[str]) -> list[str]:
    """What the counts of ``TableSample.of`` say, in sentences."""
    number = counts["text-only"]
    kept, lost = (
        ", ".join(sorted(key.removeprefix(prefix) for key in counts if key.startswith(prefix)))
        for prefix in (_KEPT, _NOT_KEPT)
    )
    blind = f"rows without an image, which became text-only samples: {number:,}"
    stored = f"columns stored as metadata: {kept}; to store only columns that you name, give --columns FILE"
    left = f"columns not stored, or not of every row, because cells are neither text nor numbers: {lost}"
    told = ((stored, kept), (left, lost), (blind, number))
    notes = [*choice_notes(counts), *band_notes(counts)]
    return [*(text for text, is_told in told if is_told), *notes, *conversions(counts)]
