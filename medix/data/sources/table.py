"""Question-answer rows in a table: which columns mean what, and a reader for files and dataset hubs."""

import ast
import json
import zipfile
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from medix.data.sources.table_file import SUFFIXES, Label, TableError, TableFile
from medix.data.sources.table_hub import HubTable

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Columns:
    """Which columns of a table mean what. ``a.b`` is the field ``b`` of a column ``a`` that holds objects.

    Args:
        question: the question; empty where the prompt alone asks.
        answer: the reference answer, or a list of columns, of which the further ones are accepted too.
        id: identity of the row; without one, rows are told apart by their content.
        context: what is to be read before the question: text, or a list of texts, all of which are shown.
        choices: one column that holds a list, an object from letters to texts or the text of a list; or one column
            for each choice.
        answer_index: number of the right choice, from 0.
        answer_letter: letter of the right choice; where a row has no choices, its answer.
        images: columns with images: encoded bytes, file names, or lists of them; empty cells are left out.
        case: patient, study or case, the unit that intervals are clustered by.
        modality: imaging modality, translated by ``TableData.modality_tags``.
        question_type: kind of question, for tables.
        source: origin of the row, for tables.
        subgroup: further columns for tables, by the name that tables show.
    """

    question: str = ""
    answer: str | list[str] = ""
    id: str = ""
    context: str = ""
    choices: str | list[str] = ""
    answer_index: str = ""
    answer_letter: str = ""
    images: list[str] = field(default_factory=list)
    case: str = ""
    modality: str = ""
    question_type: str = ""
    source: str = ""
    subgroup: dict[str, str] = field(default_factory=dict)

    def named(self) -> Iterator[tuple[str, str]]:
        """Every key with the column that it names."""
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, dict):
                yield from ((f"columns.{one.name}.{name}", column) for name, column in value.items())
            else:
                names = value if isinstance(value, list) else [value]
                yield from ((f"columns.{one.name}", column) for column in names if column)


@dataclass(frozen=True)
class TableData:
    """Where a table is, and what its columns mean.

    Args:
        columns: which columns mean what.
        hub: name of the data set on the Hugging Face hub; empty if it is not there.
        config: its configuration, or several, which are joined.
        revision: commit, branch or tag on the hub; its main branch if empty.
        split: the split.
        local: patterns of files below a folder, the first of which that matches is read; ``NAME.SUFFIX``,
            ``NAME/SPLIT*.SUFFIX`` and ``NAME/data/SPLIT-*.SUFFIX`` (as a hub's files are laid out) are tried too.
        filter: values that a row must have, by column; several in a list.
        fixed_choices: the choices of every row, where no column holds them.
        image_folder: folder of images that are given by name, relative to the table's file.
        image_archive: ZIP file on the hub that holds them.
        image_suffix: what is added to their names.
        modality: tag of every row.
        modality_tags: tag of each value of the column ``columns.modality``; other values have none.
    """

    columns: Columns
    hub: str = ""
    config: str | list[str] = ""
    revision: str = ""
    split: str = "test"
    local: list[str] = field(default_factory=list)
    filter: dict[str, str | int | list[str]] = field(default_factory=dict)
    fixed_choices: list[str] = field(default_factory=list)
    image_folder: str = ""
    image_archive: str = ""
    image_suffix: str = ""
    modality: str = ""
    modality_tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fixed_choices and self.columns.choices:
            raise ValueError("data.fixed_choices and data.columns.choices both name the choices; keep one of them")
        if self.modality and self.columns.modality:
            raise ValueError("data.modality and data.columns.modality both name the modality; keep one of them")
        if not (self.columns.answer or self.columns.answer_index or self.columns.answer_letter):
            raise ValueError("data.columns names no answer; give answer, answer_index or answer_letter")


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


class Table:
    """The rows of a table.

    Args:
        data: where it is, and what its columns mean.
        name: of the table, for default patterns.
        folder: where files are looked for; None reads the hub.

    Attributes:
        files: the files that are read; none for the hub.
    """

    def __init__(self, data: TableData, name: str, folder: Path | None = None) -> None:
        self.data = data
        self.name = name
        self.folder = folder
        self.files = () if folder is None else found_files(data, name, folder)

    def __iter__(self) -> Iterator[TableRow]:
        """Raises TableError if the table is not there, lacks a column, or a row makes no sense."""
        if self.folder is not None and not self.files:
            patterns = ", ".join(local_patterns(self.data, self.name)[:4])
            raise TableError(f"{self.name}: {self.folder} holds none of {patterns}, …; {how_to_get(self.data)}")
        if self.folder is None and not self.data.hub:
            raise TableError(f"{self.name}: is not on a hub; give --data with a folder that holds its files")
        wanted = dict(self.data.columns.named()) | {f"filter.{name}": name for name in self.data.filter}
        missing = wanted
        with ExitStack() as stack:
            for where, row, images in self._rows(missing, stack):
                missing = {key: column for key, column in missing.items() if not _has(row, column)}
                if all(_matches(row, column, value) for column, value in self.data.filter.items()):
                    yield _Cells(self.data, where, row, images).row()
        if missing:  # JSON lines may leave empty fields out, but not everywhere
            key, column = next(iter(missing.items()))
            raise TableError(f"{self.name}: no row has the column {column!r} (data.{key}); correct the name")

    def _rows(
        self, wanted: Mapping[str, str], stack: ExitStack
    ) -> Iterator[tuple[str, Mapping[str, Any], "_ImageFiles"]]:
        if self.folder is None:
            table = HubTable(self.data.hub, self.data.config, self.data.split, self.data.revision)
            archive = table.file(self.data.image_archive) if self.data.image_archive else None
            images = _ImageFiles(self.data, Path(), stack, archive)
            for part, number, row in table:
                yield f"{part}, row {number}", row, images
            return
        for path in self.files:
            file = TableFile(path)
            known = file.columns
            for key, column in wanted.items():
                if known is not None and not _has(known, column):
                    raise TableError(
                        f"{path}: there is no column {column!r} (data.{key}); its columns are {', '.join(known)}"
                    )
            images = _ImageFiles(self.data, path.parent, stack)
            for number, row in file:
                yield f"{path}, row {number}", row, images


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
        if files := sorted(path for path in folder.glob(pattern) if path.is_file()):
            return tuple(files)
    return ()


def how_to_get(data: TableData) -> str:
    """In words, where the table comes from."""
    if not data.hub:
        return "put its files there"
    return f"leave --data out to read {data.hub} from its hub, or put its files there"


@dataclass(frozen=True)
class _ImageFiles:
    """Images that are given by name."""

    data: TableData
    folder: Path
    stack: ExitStack
    archive: Path | None = None
    _open: dict[Path, zipfile.ZipFile] = field(default_factory=dict)

    def read(self, name: str) -> TableImage:
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


@dataclass(frozen=True)
class _Cells:
    """The cells of one row, read by their meaning."""

    data: TableData
    where: str
    cells: Mapping[str, Any]
    files: _ImageFiles

    def row(self) -> TableRow:
        columns = self.data.columns
        choices = self._choices()
        index, answers = self._answer(choices)
        return TableRow(
            where=self.where,
            id=self._text("id", columns.id),
            question=self._text("question", columns.question).strip(),
            context=tuple(self._texts("context", columns.context)),
            answers=answers,
            choices=choices,
            answer_index=index,
            images=tuple(self._images()),
            case=self._text("case", columns.case),
            modality=self._modality(),
            question_type=self._text("question_type", columns.question_type),
            source=self._text("source", columns.source),
            subgroup={name: self._text(f"subgroup.{name}", column) for name, column in columns.subgroup.items()},
        )

    def _fault(self, key: str, value: object, remedy: str) -> TableError:
        return TableError(f"{self.where}: columns.{key}: {value!r:.100}; {remedy}")

    def _cell(self, column: str) -> Any:
        return cell(self.cells, column) if column else None

    def _text(self, key: str, column: str) -> str:
        return self._as_text(key, self._cell(column))

    def _as_text(self, key: str, value: Any) -> str:
        text = text_of(value)
        if text is None:
            raise self._fault(key, value, f"a {type(value).__name__} is no text; give text or a number")
        return text

    def _texts(self, key: str, column: str) -> Iterator[str]:
        value = self._cell(column)
        for one in value if isinstance(value, list | tuple) else [value]:
            if text := self._as_text(key, one).strip():
                yield text

    def _choices(self) -> tuple[str, ...]:
        columns = self.data.columns
        if self.data.fixed_choices:
            return tuple(self.data.fixed_choices)
        given: Any
        if isinstance(columns.choices, list):
            given = [self._cell(column) for column in columns.choices]
        else:
            given = self._cell(columns.choices)
        texts = [self._as_text("choices", one).strip() for one in self._listed(given)]
        while texts and not texts[-1]:  # tables for questions of different length
            texts.pop()
        if not all(texts):
            raise self._fault("choices", given, "a choice in the middle is empty")
        return tuple(_without_labels(texts))

    def _listed(self, given: Any) -> Sequence[Any]:
        """A list, the values of an object by letter, or the list that a text writes out."""
        if isinstance(given, str) and given.strip()[:1] in ("[", "{"):
            given = self._written_out(given)
        if isinstance(given, Mapping):
            held = {str(key): value for key, value in given.items() if value is not None}
            if sorted(held) != list(_LETTERS[: len(held)]):
                raise self._fault("choices", given, "the keys are not the letters A, B, … without a gap")
            return [held[letter] for letter in sorted(held)]
        if given is None or given == "":
            return []
        if not isinstance(given, list | tuple):
            raise self._fault("choices", given, "give a list, an object from letters to texts, or several columns")
        return given

    def _written_out(self, given: str) -> Any:
        for read in (json.loads, ast.literal_eval):
            try:
                return read(given)
            except (ValueError, SyntaxError, RecursionError, MemoryError):
                continue
        raise self._fault("choices", given, "is neither JSON nor a list as Python writes it")

    def _answer(self, choices: tuple[str, ...]) -> tuple[int | None, tuple[str, ...]]:
        """Index of the right choice, and the accepted answers."""
        columns = self.data.columns
        texts = [
            text
            for column in ([columns.answer] if isinstance(columns.answer, str) else columns.answer)
            for text in self._texts("answer", column)
        ]
        index = self._index(choices)
        if index is None and columns.answer_letter:
            letter = self._text("answer_letter", columns.answer_letter).strip()
            if letter and not choices:
                texts = [letter, *texts]
            elif letter:
                index = _letter_index(letter, len(choices))
                if index is None:
                    raise self._fault("answer_letter", letter, f"is no letter of {len(choices)} choices")
        if index is None and choices and texts:
            index = _choice_of(texts[0], choices)
        if index is not None:
            known = {_LETTERS[index].casefold(), choices[index].casefold()}
            texts = [choices[index], *(text for text in texts if text.casefold() not in known)]
        return index, tuple(dict.fromkeys(texts))

    def _index(self, choices: tuple[str, ...]) -> int | None:
        value = self._cell(self.data.columns.answer_index)
        number = str(int(value)) if isinstance(value, Label) else text_of(value)
        if number in ("", "-1"):  # -1 is how data sets mark rows whose label is kept back
            return None
        if number is None or not number.isascii() or not number.isdigit():
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
        value = self._text("modality", self.data.columns.modality)
        return self.data.modality or self.data.modality_tags.get(value) or None

    def _images(self) -> Iterator[TableImage]:
        number = 0
        for column in self.data.columns.images:
            value = self._cell(column)
            for one in value if isinstance(value, list | tuple) else [value]:
                number += 1
                if (image := self._image(column, one)) is not None:
                    yield replace(image, number=number)

    def _image(self, column: str, value: Any) -> TableImage | None:
        if isinstance(value, Mapping):
            data, path = value.get("bytes"), value.get("path")
            if isinstance(data, bytes | bytearray):
                return TableImage(path or column, bytes(data))
            value = path
        if value is None or value == "":
            return None
        if isinstance(value, bytes | bytearray):
            return TableImage(column, bytes(value))
        if isinstance(value, str):
            return self.files.read(value)
        raise self._fault("images", value, "give encoded bytes or the name of a file")


def cell(row: Mapping[str, Any], column: str) -> Any:
    """The value of a column, or of a field of it; None where the row has none."""
    if column in row:
        return row[column]
    outer, _, inner = column.partition(".")
    held = row.get(outer)
    return cell(held, inner) if inner and isinstance(held, Mapping) else None


def _has(names: Container[str], column: str) -> bool:
    return column in names or column.partition(".")[0] in names


def text_of(value: Any) -> str | None:
    """A cell as text: labels by their names, whole numbers without a point; None for what is no text."""
    if value is None:
        return ""
    if isinstance(value, Label):
        return value.name
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(int(value)) if value == value and value in (int(value),) else repr(value)


def _matches(row: Mapping[str, Any], column: str, wanted: str | int | list[str]) -> bool:
    value = cell(row, column)
    given = {text_of(value), *((str(int(value)),) if isinstance(value, Label) else ())}
    return bool(given & {str(one) for one in (wanted if isinstance(wanted, list) else [wanted])})


def _letter_index(letter: str, count: int) -> int | None:
    place = _LETTERS.find(letter.upper()) if len(letter) == 1 else -1
    return place if 0 <= place < count else None


def _choice_of(answer: str, choices: Sequence[str]) -> int | None:
    """The choice that an answer repeats, or names by its letter where no choice is that letter."""
    same = [place for place, choice in enumerate(choices) if choice.casefold() == answer.strip().casefold()]
    if len(same) == 1:
        return same[0]
    return None if same else _letter_index(answer.strip(), len(choices))


def _without_labels(texts: Sequence[str]) -> Sequence[str]:
    """Choices without the ``A:``, ``B:``, … that all of them begin with."""
    labelled = [text[:1] == _LETTERS[place] and text[1:2] in (":", ".", ")") for place, text in enumerate(texts[:26])]
    if len(texts) < 2 or not all(labelled) or not all(text[2:].strip() for text in texts):
        return texts
    return [text[2:].strip() for text in texts]
