"""One row of a table: its cells, read by what their columns mean."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from medix.data.partition import NOTHING, named_unit
from medix.data.sources.answer_readings import Readings
from medix.data.sources.choice_notes import ANSWERED_OTHERWISE, NAMES_NONE, READ_AS_OTHERS, WORD_CHOSEN, WORDS_UNUSED
from medix.data.sources.class_label import Label
from medix.data.sources.image_cell import ImageCellError, image_list, image_of
from medix.data.sources.modality_names import tag_of
from medix.data.sources.source import RowError
from medix.data.sources.table_cell import CellError, cell, no_text, text_of
from medix.data.sources.table_choices import letter_index, lettered_label, listed, without_labels, without_unused
from medix.data.sources.table_file import TextRow, stated, whole
from medix.data.sources.table_images import ImageFiles, TableImage
from medix.data.sources.table_labels import BELOW_ZERO, band_of, label_of
from medix.data.sources.table_schema import TableData
from medix.data.sources.tagged_answer import split_tag
from medix.data.sources.written_value import UnclearListError, text_list
from medix.modality import ModalitySet

_PAPER = ModalitySet()
_NO_NUMBER = "data.bands needs numbers; correct it, or leave the cell empty"
_CONTRADICTS = "it is another choice than {!r}, which the row says is right; correct one of them"


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row, with texts as they are shown.

    Attributes:
        where: file and number of the row, for messages.
        id: identity; empty where no column holds one.
        question: the question.
        context: what is to be read before it.
        answers: accepted answers, the reference first, without its tag; none if the row has no answer.
        choices: the choices in order.
        answer_index: index of the right choice, if it is known.
        images: its images.
        case: the unit that intervals are clustered by; empty if unknown.
        modality: tag that its column or the table says; None if unknown.
        question_type: kind of question; empty if unknown.
        source: origin; empty if unknown.
        subgroup: values of further columns, by the name that tables show.
        tag: that the reference began with; None if with none.
        notes: what was decided about it without being told, as keys of ``choice_notes`` and ``band_notes``.
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
    tag: str | None = None
    notes: tuple[str, ...] = ()


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
        images = tuple(self._images())
        tag, index, answers, notes = self._answer(choices, bool(images))
        subgroup = {name: self._subgroup(name, column) for name, column in columns.subgroup.items()}
        return TableRow(
            where=self.where,
            id=self._name("id", columns.id),
            question=self._stated(self._text("question", columns.question).strip()),
            context=tuple(self._said("context", columns.context)),
            answers=answers,
            choices=choices,
            answer_index=index,
            images=images,
            case=named_unit(self._name("case", columns.case)),
            modality=self._modality(),
            question_type=self._label("question_type", columns.question_type),
            source=self._label("source", columns.source),
            subgroup=subgroup,
            tag=tag,
            notes=(*self._notes(choices, subgroup), *notes),
        )

    def _fault(self, key: str, value: object, remedy: str, column: str = "", kind: str = "cell") -> CellError:
        columns = [column for name, column in self.data.columns.named() if name == f"columns.{key}"]
        return CellError(self.where, key, column or (columns[0] if len(columns) == 1 else ""), value, remedy, kind)

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
            raise self._fault(f"subgroup.{name}", label, _NO_NUMBER) from None

    def _as_text(self, key: str, value: Any) -> str:
        text = text_of(value)
        if text is None:
            raise self._fault(key, value, no_text(value))
        if "\0" in text:
            raise self._fault(key, value, "it has a NUL character, as UTF-16 without its mark does; save it as UTF-8")
        return text

    def _texts(self, key: str, column: str, value: Any, of_numbers: bool = False) -> tuple[list[str], bool]:
        """The texts of a value, and whether it is a list of them, in which no word stands for nothing."""
        try:
            found = value if isinstance(value, list | tuple) else text_list(value, of_numbers)
        except UnclearListError as error:
            raise self._fault(key, value, str(error), column) from error
        texts = [self._as_text(key, label_of(one) if key == "answer" else one).strip() for one in found]
        return list(filter(None, texts)), len(found) != 1 or found[0] is not value

    def _said(self, key: str, column: str, words: Container[str] = (), of_numbers: bool = False) -> list[str]:
        """The texts of a cell without a word for nothing that is none of ``words``, which are in lower case."""
        texts, is_list = self._texts(key, column, self._cell(column), of_numbers)
        return texts if is_list else [text for text in texts if text.casefold() in words or self._stated(text)]

    def _choices(self) -> tuple[str, ...]:
        columns = self.data.columns
        if self.data.fixed_choices:
            return tuple(without_labels(self.data.fixed_choices))
        are_columns = isinstance(columns.choices, list)
        given = [self._cell(column) for column in columns.choices] if are_columns else self._cell(str(columns.choices))
        if given is None or given == "" or (isinstance(given, str) and not self._stated(given)):
            return ()
        try:
            texts = [self._as_text("choices", one).strip() for one in listed(given)]
            while texts and not texts[-1]:
                texts.pop()
            if are_columns:
                texts = without_unused(texts, lambda text: not self._stated(text))
            if not all(texts):
                raise ValueError("a choice in the middle is empty")
            return tuple(without_labels(texts))
        except CellError:
            raise
        except ValueError as error:
            raise self._fault("choices", given, str(error)) from error

    def _notes(self, choices: tuple[str, ...], subgroup: Mapping[str, str]) -> Iterator[str]:
        """Numbers without a band; in CSV with a column for each choice, that the last ones hold a word for nothing."""
        for name in self.data.bands:
            if not subgroup[name] and self._label(f"subgroup.{name}", self.data.columns.subgroup[name]):
                yield f"{BELOW_ZERO}{name}"
        columns = self.data.columns.choices
        if isinstance(self.cells, TextRow) and isinstance(columns, list):
            if any(self._text("choices", column).strip() for column in columns[len(choices) :]):
                yield WORDS_UNUSED
            if choices[-1:] != () and choices[-1] in NOTHING:
                yield WORD_CHOSEN

    @property
    def _answer_columns(self) -> list[str]:
        answer = self.data.columns.answer
        return [answer] if isinstance(answer, str) else answer

    def _answer(
        self, choices: tuple[str, ...], has_images: bool
    ) -> tuple[str | None, int | None, tuple[str, ...], list[str]]:
        """The tag in front of the reference, index of the right choice, the accepted answers, and notes."""
        columns = self.data.columns
        first, *others = self._answer_columns or [""]
        tag, texts = self._reference(first, choices, has_images)
        is_bracketed = texts[:1] != [] and texts[0].startswith("[")  # then synonyms are such texts, too, as of a box
        words = self._words(choices)
        further = [text for column in others for text in self._said("answer", column, words, not is_bracketed)]
        index, notes = self._index(choices), list[str]()
        if letter := self._text("answer_letter", columns.answer_letter).strip():
            letter_tag, letter = self._untagged(columns.answer_letter, letter, has_images)
            tag, letter = letter_tag or tag, self._stated(letter)
            if letter and not choices:
                texts = [letter, *texts]
            elif letter:
                named = letter_index(letter, len(choices))
                if named is None:
                    raise self._fault("answer_letter", letter, f"is no letter of {len(choices)} choices")
                if index is not None and index != named:
                    raise self._fault("answer_letter", letter, _CONTRADICTS.format(choices[index]))
                index = named
        if index is not None and texts and not self._readings(texts[0], choices).is_written_as(index):
            notes.append(ANSWERED_OTHERWISE)
        if index is None and choices and texts:
            index, notes = self._named(first, texts[0], choices)
        if index is not None:
            said = {text: self._readings(text, choices) for text in (*texts, *further)}
            if other := [text for text, found in said.items() if found.names_other(index)]:
                raise self._fault("answer", other[0], _CONTRADICTS.format(choices[index]))
            texts, right = [choices[index]], choices[index].casefold()
            further = [text for text in said if index not in said[text].letters and text.casefold() != right]
        return tag, index, tuple(dict.fromkeys([*texts, *further])) if texts else (), notes

    def _reference(self, column: str, choices: tuple[str, ...], has_images: bool) -> tuple[str | None, list[str]]:
        """The texts of the column of the reference, which is the first of them, and the tag that stood before it.

        All that is asked of an answer is asked of what follows the tag: which choice it is, and whether it is a word
        for nothing.
        """
        value, tag, words = self._cell(column), None, self._words(choices)
        if isinstance(value, str) and self._is_taggable(value.strip(), choices):
            tag, value = self._untagged(column, value, has_images)  # what follows may be a list, too
        texts, is_list = self._texts("answer", column, value)
        if not texts:
            return None, []
        if tag is None and self._is_taggable(texts[0], choices):
            tag, texts[0] = self._untagged(column, texts[0], has_images)
        return tag, texts if is_list else [text for text in texts if text.casefold() in words or self._stated(text)]

    def _is_taggable(self, text: str, choices: tuple[str, ...]) -> bool:
        return bool(self._stated(text)) and text not in choices  # <NA> looks like a tag

    def _untagged(self, column: str, text: str, has_images: bool) -> tuple[str | None, str]:
        try:
            return split_tag(column, text, has_images, self.modalities)
        except RowError as error:
            raise CellError(self.where, "answer", column, error.value, error.remedy, error.kind) from error

    def _words(self, choices: tuple[str, ...]) -> set[str]:
        """Texts of an answer that are one even if they are words for nothing: the choices, in lower case.

        Of the last of several columns of choices, it is not known whether it is one, but for ``None``, which people
        write.
        """
        is_unknown = isinstance(self.data.columns.choices, list) and choices[-1:] != ("None",)
        return {choice.casefold() for choice in choices} - {one.casefold() for one in choices[-1:] if is_unknown}

    def _named(self, column: str, answer: str, choices: tuple[str, ...]) -> tuple[int | None, list[str]]:
        """The choice that an answer names, None if none, and notes."""
        if (index := self._lettered(column, choices)) is not None:
            return index, []
        found, kind = self._readings(answer, choices), self.data.answers
        index = found.chosen(kind)
        if index is None and found.names_choice:
            raise self._fault("answer", answer, found.fault(choices, kind), kind="choices")
        return index, [NAMES_NONE] if index is None else [READ_AS_OTHERS] if found.differ else []

    def _readings(self, answer: str, choices: tuple[str, ...]) -> Readings:
        """Those of an answer; of CSV also as ``1.0``, which pandas makes of ``1``."""
        found = Readings.of(answer, choices)
        wholes = [whole(self.cells, choice) for choice in choices]
        return found if found.texts else Readings.of(whole(self.cells, answer), wholes)

    def _lettered(self, column: str, choices: tuple[str, ...]) -> int | None:
        return None if self.data.answers == "texts" else lettered_label(self._cell(column), len(choices))

    def answer_kind(self) -> str:
        """``Readings.kind`` of the reference; empty for a row without choices or answer.

        Raises:
            TableError: a cell of them makes no sense.
        """
        column, choices = self._answer_columns[0], self._choices()
        if self._lettered(column, choices) is not None:
            return "letters"
        _, texts = self._reference(column, choices, bool(self.data.columns.images))
        return self._readings(texts[0], choices).kind if texts and choices else ""

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
                given = image_list(value)
            except ValueError as error:
                number += 1
                yield TableImage.unread(column, value, str(error), number)
                continue
            is_list = given != [value]
            for place, one in enumerate(given, start=1):
                number += 1
                try:
                    image = image_of(column, one, self.files)
                except ImageCellError as error:
                    image = TableImage.unread(column, one, str(error), number)
                if image is None and is_list:
                    remedy = f"image {place} of {len(given)} is empty; name it, or take it out of the list"
                    image = TableImage.unread(column, one, remedy, number)
                if image is not None:
                    yield replace(image, number=number)
