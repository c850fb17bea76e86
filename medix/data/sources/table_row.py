"""One row of a table: its cells, read by what their columns mean."""

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from medix.data.partition import named_unit
from medix.data.sources.class_label import Label
from medix.data.sources.image_cell import ImageCellError, image_list, image_of
from medix.data.sources.inline_image import shown
from medix.data.sources.modality_names import tag_of
from medix.data.sources.table_choices import (
    LETTERS,
    choice_of,
    letter_index,
    lettered_label,
    without_label,
    without_labels,
)
from medix.data.sources.table_file import TableError, stated, whole
from medix.data.sources.table_images import ImageFiles, TableImage
from medix.data.sources.table_labels import band_of, label_of
from medix.data.sources.table_schema import TableData
from medix.data.sources.written_value import UnclearListError, text_list, written_out
from medix.modality import ModalitySet

_PAPER = ModalitySet()


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row, with texts as they are shown.

    Attributes:
        where: file and number of the row, for messages.
        id: identity; empty where no column holds one.
        question: the question.
        context: what is to be read before it.
        answers: accepted answers, the reference first; none if the row has no answer.
        choices: the choices in order.
        answer_index: index of the right choice, if it is known.
        images: its images.
        case: the unit that intervals are clustered by; empty if unknown.
        modality: tag; None if unknown.
        question_type: kind of question; empty if unknown.
        source: origin; empty if unknown.
        subgroup: values of further columns, by the name that tables show.
    """

    where: str
    id: str
    question: str
    context: tuple[str, ...]
    answers: tuple[str, ...]
    choices: tuple[str, ...]
    answer_index: int | None
    images: tuple[TableImage, ...]
    case: str
    modality: str | None
    question_type: str
    source: str
    subgroup: Mapping[str, str]


class CellError(TableError):
    """A cell makes no sense.

    Args:
        where: file and number of the row.
        key: the key of ``Columns`` that names its column.
        column: the column; empty where several are meant.
        value: the value.
        remedy: what is wrong and what to do.
    """

    def __init__(self, where: str, key: str, column: str, value: object, remedy: str) -> None:
        named = f" ({column})" if column and key == "images" else ""  # one of several
        super().__init__(f"{where}: columns.{key}{named}: {shown(value)}; {remedy}")
        self.key, self.column, self.value, self.remedy = key, column, value, remedy


@dataclass(frozen=True)
class Cells:
    """The cells of one row.

    Args:
        data: what columns mean.
        where: file and number of the row, for messages.
        cells: by column.
        files: reads images that are given by name.
        modalities: the valid tags.
    """

    data: TableData
    where: str
    cells: Mapping[str, Any]
    files: ImageFiles
    modalities: ModalitySet = _PAPER

    def row(self) -> TableRow:
        """The row; raises TableError if a cell makes no sense."""
        columns = self.data.columns
        choices = self._choices()
        index, answers = self._answer(choices)
        return TableRow(
            where=self.where,
            id=self._name("id", columns.id),
            question=self._stated(self._text("question", columns.question).strip()),
            context=tuple(filter(self._stated, self._texts("context", columns.context))),
            answers=answers,
            choices=choices,
            answer_index=index,
            images=tuple(self._images()),
            case=named_unit(self._name("case", columns.case)),
            modality=self._modality(),
            question_type=self._label("question_type", columns.question_type),
            source=self._label("source", columns.source),
            subgroup={name: self._subgroup(name, column) for name, column in columns.subgroup.items()},
        )

    def _fault(self, key: str, value: object, remedy: str, column: str = "") -> CellError:
        columns = [column for name, column in self.data.columns.named() if name == f"columns.{key}"]
        return CellError(self.where, key, column or (columns[0] if len(columns) == 1 else ""), value, remedy)

    def _cell(self, column: str) -> Any:
        return cell(self.cells, column) if column else None

    def _text(self, key: str, column: str) -> str:
        return self._as_text(key, self._cell(column))

    def _name(self, key: str, column: str) -> str:
        return whole(self.cells, self._text(key, column))

    def _label(self, key: str, column: str) -> str:
        return self._stated(self._as_text(key, label_of(self._cell(column))).strip())

    def _stated(self, text: str) -> str:
        return stated(self.cells, text)

    def _subgroup(self, name: str, column: str) -> str:
        label, edges = self._label(f"subgroup.{name}", column), self.data.bands.get(name)
        try:
            return band_of(label, edges) if edges and label else label
        except ValueError:
            raise self._fault(f"subgroup.{name}", label, "data.bands needs numbers; correct it, or leave it") from None

    def _as_text(self, key: str, value: Any) -> str:
        text = text_of(value)
        if text is None:
            raise self._fault(key, value, f"a {type(value).__name__} is no text; give text or a number")
        return text

    def _texts(self, key: str, column: str) -> Iterator[str]:
        value = self._cell(column)
        try:
            listed = value if isinstance(value, list | tuple) else text_list(value)
        except UnclearListError as error:
            raise self._fault(key, value, str(error), column) from error
        for one in listed:
            if text := self._as_text(key, label_of(one) if key == "answer" else one).strip():
                yield text

    def _choices(self) -> tuple[str, ...]:
        columns = self.data.columns
        if self.data.fixed_choices:
            return tuple(self.data.fixed_choices)
        given: Any
        if are_columns := isinstance(columns.choices, list):
            given = [self._cell(column) for column in columns.choices]
        else:
            given = self._cell(columns.choices)
        texts = [self._as_text("choices", one).strip() for one in self._listed(given)]
        while texts and not texts[-1]:
            texts.pop()
        if are_columns and len(texts) > 1 and texts[-1] == texts[-2] and not self._stated(texts[-1]):
            # Columns that a shorter question does not use: no question has a choice twice. A single word is a choice,
            # whatever the answer is: if it stood only where it is right, it would give the answer away.
            word = texts[-1]
            while texts and texts[-1] == word:
                texts.pop()
        if not all(texts):
            raise self._fault("choices", given, "a choice in the middle is empty")
        return tuple(without_labels(texts))

    @property
    def _answer_columns(self) -> list[str]:
        answer = self.data.columns.answer
        return [answer] if isinstance(answer, str) else answer

    def _listed(self, given: Any) -> Sequence[Any]:
        """A list, the values of an object by letter, or the list that a text writes out."""
        if isinstance(given, str) and given.strip()[:1] in ("[", "{"):
            try:
                given = written_out(given)
            except ValueError as error:
                raise self._fault("choices", given, str(error)) from error
        if isinstance(given, Mapping):
            held = {str(key): value for key, value in given.items() if value is not None}
            if sorted(held) != list(LETTERS[: len(held)]):
                raise self._fault("choices", given, "the keys are not the letters A, B, … without a gap")
            return [held[letter] for letter in sorted(held)]
        if given is None or given == "" or (isinstance(given, str) and not self._stated(given)):
            return []
        if not isinstance(given, list | tuple):
            raise self._fault("choices", given, "give a list, an object from letters to texts, or several columns")
        return given

    def _answer(self, choices: tuple[str, ...]) -> tuple[int | None, tuple[str, ...]]:
        """Index of the right choice, and the accepted answers."""
        columns = self.data.columns
        named = self._answer_columns
        listed = [self._answers(column, choices) for column in named]
        texts, further = listed[0] if listed else [], [text for column in listed[1:] for text in column]
        index = self._index(choices)
        if index is None and columns.answer_letter:
            letter = self._stated(self._text("answer_letter", columns.answer_letter).strip())
            if letter and not choices:
                texts = [letter, *texts]
            elif letter:
                index = letter_index(letter, len(choices))
                if index is None:
                    raise self._fault("answer_letter", letter, f"is no letter of {len(choices)} choices")
        if index is None and choices and texts:
            index = lettered_label(self._cell(named[0]), len(choices))
            index = choice_of(texts[0], choices) if index is None else index
        if index is not None:
            known = {LETTERS[index].casefold(), choices[index].casefold()}
            texts = [choices[index], *(text for text in texts if text.casefold() not in known)]
            further = [text for text in further if text.casefold() not in known]
            self._check_other_choices([*texts[1:], *further], choices, index)
        return index, tuple(dict.fromkeys([*texts, *further])) if texts else ()

    def _answers(self, column: str, choices: tuple[str, ...]) -> list[str]:
        """The texts of a column of answers, choices without their labels.

        A word for nothing is one where it is a choice. Of the last of several columns of choices, it is not known
        whether it is one, but for ``None``, which people write.
        """
        known = {choice.casefold() for choice in choices}
        if isinstance(self.data.columns.choices, list) and choices[-1:] != ("None",):
            known -= {choice.casefold() for choice in choices[-1:]}
        texts = (text for text in self._texts("answer", column) if text.casefold() in known or self._stated(text))
        return [without_label(text, choices) for text in texts]

    def _check_other_choices(self, texts: Sequence[str], choices: tuple[str, ...], right: int) -> None:
        """Refuse texts of the answer that are, or name by a letter, another choice than the right one.

        Raises:
            CellError: one does.
        """
        others = {choice.casefold() for choice in choices}
        for text in texts:
            if text.casefold() in others or letter_index(text, len(choices)) is not None:
                remedy = (
                    f"it is another choice than {choices[right]!r}, which the row says is right; correct one of them"
                )
                raise self._fault("answer", text, remedy)

    def _index(self, choices: tuple[str, ...]) -> int | None:
        value = self._cell(self.data.columns.answer_index)
        number = whole(self.cells, str(int(value) if isinstance(value, Label) else text_of(value)))
        if number in ("", "-1") or not self._stated(number):  # -1 marks rows whose label is kept back
            return None
        if not number.isascii() or not number.isdigit():
            raise self._fault("answer_index", value, "give the number of the right choice, from 0")
        index = int(number)
        if index >= len(choices):
            raise self._fault(
                "answer_index",
                value,
                f"there are {len(choices)} choices, counted from 0; if the file counts from 1 it is not the one that "
                "this schema describes, and every answer of it would be off by one",
            )
        return index

    def _modality(self) -> str | None:
        value, tags = self._text("modality", self.data.columns.modality), self.data.modality_tags
        tag = self.data.modality or tag_of(value, tags, self.modalities)
        if tag is None and self._stated(value) and not tags:
            raise self._fault("modality", value, "it is no tag; say which one it is in data.modality_tags")
        return tag

    def _images(self) -> Iterator[TableImage]:
        """The images of all columns; a cell that cannot be read is the fault of its row alone."""
        number = 0
        for column in self.data.columns.images:
            value = self._cell(column)
            try:
                listed = image_list(value)
            except ValueError as error:
                number += 1
                yield self._unread(column, value, str(error), number)
                continue
            is_list = listed != [value]
            for place, one in enumerate(listed, start=1):
                number += 1
                try:
                    image = image_of(column, one, self.files)
                except ImageCellError as error:
                    image = self._unread(column, one, str(error), number)
                if image is None and is_list:
                    remedy = f"image {place} of {len(listed)} is empty; name it, or take it out of the list"
                    image = self._unread(column, one, remedy, number)
                if image is not None:
                    yield replace(image, number=number)

    @staticmethod
    def _unread(column: str, value: object, remedy: str, number: int) -> TableImage:
        return TableImage(column, fault=f"column {column}: {shown(value)}; {remedy}", number=number)


def cell(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column, or of a field of it; None where the row has none, or NaN, as pandas writes nothing."""
    if column in row:
        return None if _is_nan(row[column]) else row[column]
    outer, _, inner = column.partition(".")
    held = row.get(outer)
    return cell(held, inner) if inner and isinstance(held, Mapping) else None


def has(names: Container[str], column: str) -> bool:
    """Whether there is a column, or one that may hold it as a field."""
    return column in names or column.partition(".")[0] in names


def text_of(value: Any) -> str | None:
    """A cell as text: labels by their names, whole numbers without a point; None for what is no text."""
    if value is None or _is_nan(value):
        return ""
    if isinstance(value, Label):
        return value.name
    if isinstance(value, Decimal):
        return str(label_of(value))
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(int(value)) if isinstance(value, int) or value.is_integer() else repr(value)


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
