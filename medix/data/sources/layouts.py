"""Well-known layouts of tables of questions, recognised by the names of their columns."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from medix.data.sources.table_schema import Columns, TableData

_IDS = ("id", "qid", "question_id")
CASES = ("case", "case_id", "patient", "patient_id", "PatientID", "subject_id", "study_id")
"""Columns of cases, the first of which that is there is read."""
IMAGES = ("image", "images", "img_name", "image_name", "image_path", "img_path", "img", "Figure_path")
"""Columns of images, likewise."""
_METADATA = re.compile(r"metadata\.(?:csv|tsv|jsonl?|parquet)", re.IGNORECASE)
_BESIDE = ("file_name", "file_names")
"""Columns of images where a table is called ``metadata``, as ``datasets`` reads it beside them."""
_CHOICES = ("choices", "options", "Choices", "Options")

_NUMBERED_IMAGE = re.compile(r"(image|img)([ _]?)([0-9]+)", re.IGNORECASE)
_ONE_CHOICE = re.compile(r"(choice|option|ending|op(?=[a-z])|)([ _]?)([0-9]|[A-Z])", re.IGNORECASE)
_FIRST_MARKS = ("a", "0", "1")


@dataclass(frozen=True)
class Layout:
    """The columns that a layout must have.

    Args:
        name: the data sets that have it.
        question: column of the question.
        answer: column of the answer.
    """

    name: str
    question: str
    answer: str


LAYOUTS = (
    Layout("MBZUAI/medix-rl-data", "problem", "solution"),
    Layout("EasyR1", "problem", "answer"),
    Layout("VQA-RAD, SLAKE, PathVQA, MMLU, MedQA", "question", "answer"),
    Layout("PMC-VQA", "Question", "Answer"),
)
"""In the order in which they are looked for."""


def recognised(names: Collection[str], files: Collection[str] = ()) -> tuple[Layout, TableData] | None:
    """The first layout whose columns are there, and what the columns mean; None if there is none.

    Args:
        names: the columns.
        files: names of the table's files: ``file_name`` holds images in ``metadata.csv`` and the like.
    """
    for layout in LAYOUTS:
        if {layout.question, layout.answer} <= set(names):
            return layout, TableData(_columns(layout, names, files))
    return None


def asked_of_all(answer: str, names: Collection[str], files: Collection[str] = ()) -> TableData:
    """What the columns mean where one question is asked of every row.

    The column of the answer has no other meaning, and no column holds a question, choices or aliases: these would be
    those of another question.

    Args:
        answer: column of the answer.
        names: the columns.
        files: as of ``recognised``.
    """
    others = _columns(Layout("", "", answer), [name for name in names if name != answer], files)
    return TableData(replace(others, answer=answer, choices=""))


def image_columns(names: Collection[str], files: Collection[str] = ()) -> list[str]:
    """The column of images, or the columns ``image_1``, ``image_2``, …; none if there is none of these names."""
    are_beside = bool(files) and all(map(_METADATA.fullmatch, files))
    beside = _first(_BESIDE, names) if are_beside else ()
    return [*(_first(IMAGES, names) or beside)] or _series(_NUMBERED_IMAGE, names)


def _columns(layout: Layout, names: Collection[str], files: Collection[str]) -> Columns:
    return Columns(
        question=layout.question,
        answer=[layout.answer, *_first(("aliases",), names)],
        id=next(iter(_first(_IDS, names)), ""),
        choices=_choices(names),
        images=image_columns(names, files),
        case=next(iter(_first(CASES, names)), ""),
        source=next(iter(_first(("source",), names)), ""),
        modality=next(iter(_first(("modality",), names)), ""),
    )


def _choices(names: Collection[str]) -> str | list[str]:
    return next(iter(_first(_CHOICES, names)), "") or _series(_ONE_CHOICE, names)


def _series(pattern: re.Pattern[str], names: Collection[str]) -> list[str]:
    """Two or more columns whose names differ in their last letter or number alone: the longest run from A, 0 or 1 on.

    Args:
        pattern: of their names; its groups are the word, what joins it, and the letter or number.
        names: the columns.
    """
    found: dict[tuple[str, str, bool], dict[str, str]] = {}
    for name in names:
        if (match := pattern.fullmatch(name)) and (match[1] or not match[3].isdigit()):
            found.setdefault((match[1], match[2], match[3].isupper()), {})[match[3].casefold()] = name
    runs = [_run(marks, first) for marks in found.values() for first in _FIRST_MARKS]
    return max((run for run in runs if len(run) > 1), key=len, default=[])


def _run(marks: dict[str, str], mark: str) -> list[str]:
    """The names of one mark and of those that follow it without a gap."""
    run = []
    while mark in marks:
        run.append(marks[mark])
        mark = str(int(mark) + 1) if mark.isdigit() else chr(ord(mark) + 1)
    return run


def _first(wanted: Sequence[str], names: Collection[str]) -> tuple[str, ...]:
    """The first wanted name that is there, in a tuple; an empty one if none is."""
    return tuple(name for name in wanted if name in names)[:1]


def told(data: TableData) -> str:
    """What the columns mean, as one line of text; says if none of them holds images."""
    pairs = [f"{key.removeprefix('columns.')}: {column}" for key, column in data.columns.named()]
    return ", ".join(pairs) + ("" if data.columns.images else "; no column of images, so that all rows are text only")
