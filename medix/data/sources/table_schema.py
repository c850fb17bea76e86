"""Which columns of a table mean what, and where the table is: the schema of tasks and of data sources."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from medix.data.sources.table_choices import without_labels
from medix.data.sources.table_labels import check_edges
from medix.spec.spec_file import named_line, parse_error_message
from medix.spec.spec_reading import SPECS
from medix.yaml_text import read_yaml_option

TOLD_ANYWAY = ("modality", "question_type", "source", "reference_in_training")
"""What tables are made by without a subgroup."""


@dataclass(frozen=True)
class Columns:
    """Which columns of a table mean what. ``a.b`` is the field ``b`` of a column ``a`` that holds objects.

    Args:
        question: the question; empty where the prompt alone asks.
        answer: the reference answer, or a list of columns, of which the further ones are accepted too.
        id: identity of the row; without one, rows are told apart by their content.
        context: what is to be read before the question: text, or a list of texts, all of which are shown.
        choices: one column that holds a list, an object from letters to texts or the text of a list; or one column
            for each choice. At most 26; labels in front of all of them are those of their order.
        answer_index: number of the right choice, from 0.
        answer_letter: letter of the right choice; where a row has no choices, its answer.
        images: columns with images: encoded bytes, base64, ``data:`` addresses, file names, ``{"bytes": …, "path": …}``
            (the bytes count where both are there, and are base64 in text), or lists of these; empty cells are left out.
        case: patient, study or case, the unit that intervals are clustered by.
        modality: imaging modality: a tag, or what ``TableData.modality_tags`` translates to one.
        question_type: kind of question, for tables.
        source: origin of the row, for tables.
        subgroup: further columns for tables, by the name that tables show.

    In answers, ``question_type``, ``source`` and ``subgroup`` truth values of Parquet and JSON are ``true`` and
    ``false``, dates and times as ISO 8601 writes them (``2024-05-01T08:30:00``), decimals numbers. In CSV, ``nan``,
    ``NaN``, ``NA``, ``None``, ``null``, ``NULL`` and ``<NA>`` are nothing there, in ``question``, ``context`` and
    ``modality``, also behind a tag, unless they are a choice of the row, stand in a list in quotes, or are a key of
    ``modality_tags``: as an empty cell is. Such a word is
    no list of choices in one column, and no choice where it fills the last two or more of several columns. In the last
    alone it is a choice, whatever the answer is; the answer names it by number or letter (``None`` also by itself).
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

    def __post_init__(self) -> None:
        for name in self.subgroup:
            if not name.strip() or "_".join(name.casefold().split()) in TOLD_ANYWAY:
                raise ValueError(
                    f"'columns.subgroup.{name}': tables by {', '.join(TOLD_ANYWAY)} have these names; choose another, "
                    "or name its column in columns.modality, columns.question_type or columns.source"
                )

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
        answers: what ``columns.answer`` holds where a row has choices: ``texts`` or ``letters``, and then nothing else
            but letters before the texts of their choices (``B. right``).
            If it is not stated, both are read. An answer that is the text of one choice and the letter or number of
            another (``A`` of ``C, A, B``) is then read as the other answers of the column are; if these are of several
            kinds, or none of them shows its kind, its row is a fault.
        image_folder: folder of images that are given by name, relative to the table's file.
        image_archive: ZIP file on the hub that holds them.
        image_suffix: what is added to their names.
        modality: tag of every row.
        modality_tags: tag of each value of the column ``columns.modality``; other values have none.
        bands: edges of bands, by the name of a subgroup that holds numbers: ``age: [18, 65]`` makes ``<18``,
            ``18 to <65`` and ``65 and over``. Where all edges are above 0, a number below 0 (an age of -1) counts as
            not given, and the rows with one are told.
    """

    columns: Columns
    hub: str = ""
    config: str | list[str] = ""
    revision: str = ""
    split: str = "test"
    local: list[str] = field(default_factory=list)
    filter: dict[str, str | int | list[str]] = field(default_factory=dict)
    fixed_choices: list[str] = field(default_factory=list)
    answers: Literal["", "texts", "letters"] = ""
    image_folder: str = ""
    image_archive: str = ""
    image_suffix: str = ""
    modality: str = ""
    modality_tags: dict[str, str] = field(default_factory=dict)
    bands: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fixed_choices and self.columns.choices:
            raise ValueError("data.fixed_choices and data.columns.choices both name the choices; keep one of them")
        try:
            without_labels(self.fixed_choices)
        except ValueError as error:
            raise ValueError(f"data.fixed_choices: {self.fixed_choices!r:.80}: {error}") from error
        if self.modality and self.columns.modality:
            raise ValueError("data.modality and data.columns.modality both name the modality; keep one of them")
        if empty := [name for name, wanted in self.filter.items() if wanted == []]:
            raise ValueError(f"'filter.{empty[0]}': [] leaves no row; name the values that a row may have")
        if not (self.columns.answer or self.columns.answer_index or self.columns.answer_letter):
            raise ValueError("data.columns names no answer; give answer, answer_index or answer_letter")
        if self.answers and not self.columns.answer:
            raise ValueError(f"data.answers: {self.answers}, and data.columns.answer names no column; name it there")
        for name, edges in self.bands.items():
            check_edges(name, edges)
            if name not in self.columns.subgroup:
                raise ValueError(f"data.bands.{name}: data.columns.subgroup has no {name}; name its column there")


def read_table_data(path: Path) -> TableData:
    """What the columns of a table mean, from a YAML file: the keys of ``TableData``, or a task with its ``data``.

    Args:
        path: the file, or the name of a task in ``specs/tasks``.

    Raises:
        ValueError: it cannot be read, or a key is not known or has a wrong value; names file and line.
    """
    shipped = SPECS / "tasks" / f"{path}.yaml"
    if len(path.parts) == 1 and shipped.is_file() and not path.exists():
        path = shipped
    content, lines = read_yaml_option("--columns", path)
    if isinstance(content, dict) and isinstance(content.get("data"), dict):
        content, lines = content["data"], {place[1:]: line for place, line in lines.items() if place[0] == "data"}
    if not isinstance(content, dict):
        raise ValueError(f"--columns {path}: holds no keys; write columns: {{question: NAME, answer: NAME, …}}")
    try:
        return table_data(content)
    except ValueError as error:
        line = named_line(str(error), {".".join(map(str, place)): line for place, line in lines.items()})
        raise ValueError(f"--columns {path}{f', line {line}' if line else ''}: {error}") from error


def check_mappings(content: Mapping[str, Any], prefix: str = "") -> None:
    """See to it that the mappings of a table's schema hold values of the right kinds.

    Args:
        content: keys of ``TableData``.
        prefix: what stands before them in the file, such as ``data.``.

    Raises:
        ValueError: one does not; names key, value and what is allowed.
    """
    columns = content.get("columns")
    places = [(f"{prefix}{name}", content.get(name), *_MAPPINGS[name]) for name in ("filter", "modality_tags", "bands")]
    subgroup = columns.get("subgroup") if isinstance(columns, Mapping) else None
    for key, value, is_right, allowed in (*places, (f"{prefix}columns.subgroup", subgroup, *_MAPPINGS["subgroup"])):
        if value is None:
            continue
        if not isinstance(value, Mapping):
            raise ValueError(f"'{key}': {value!r:.80} is no mapping; write {key.rpartition('.')[2]}: {{NAME: VALUE}}")
        for name, entry in value.items():
            if not is_right(entry):
                raise ValueError(f"'{key}.{name}': {entry!r:.80} is not allowed; give {allowed}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_wanted(value: Any) -> bool:
    is_one = isinstance(value, str | int) and not isinstance(value, bool)
    return is_one or (isinstance(value, list) and all(map(_is_text, value)))


def _are_edges(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_number, value))


_MAPPINGS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "filter": (
        _is_wanted,
        "a text, a whole number, or a list of texts; other values in quotes, as the column shows them ('1.5', 'true'; "
        "'' for no value)",
    ),
    "modality_tags": (_is_text, "a tag, such as CT_SCAN"),
    "bands": (_are_edges, "a list of numbers, such as [18, 65]"),
    "subgroup": (_is_text, "the name of a column"),
}


def table_data(content: Mapping[str, Any]) -> TableData:
    """What the columns of a table mean, from plain data.

    Raises:
        ValueError: a key is not known or has a wrong value.
    """
    from jsonargparse import ArgumentError, ArgumentParser

    check_mappings(content)
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(TableData, None)
    try:
        return TableData(**vars(parser.instantiate(parser.parse_object(dict(content)))))
    except ArgumentError as error:
        raise ValueError(" ".join(parse_error_message(error).split())) from error
    except TypeError as error:
        raise ValueError(str(error)) from error
