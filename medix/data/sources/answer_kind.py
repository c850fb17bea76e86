"""What a column of answers holds where rows have choices, as its rows say: texts of choices, or letters."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from medix.data.sources.source import RowError
from medix.data.sources.table_cell import passes
from medix.data.sources.table_file import TableError
from medix.data.sources.table_images import ImageFiles
from medix.data.sources.table_row import Cells
from medix.data.sources.table_schema import TableData
from medix.modality import ModalitySet

Read = Callable[[list[str]], Iterable[Mapping[str, Any] | RowError]]
"""Gives the rows of a table, with those of their columns that are named, or with more."""


def with_answer_kind(data: TableData, read: Read, modalities: ModalitySet) -> TableData:
    """What the columns of a table mean, with ``TableData.answers`` if it is not stated and the rows say it.

    They do if every answer that names a choice in one way only names it in the same way. Rows that make no sense say
    nothing here.

    Args:
        data: what the columns mean.
        read: reads the rows; it is called only if they have answers and choices.
        modalities: the valid tags.

    Raises:
        TableError: the table cannot be read.
    """
    named = {"columns.answer", "columns.choices"}
    columns = [column for key, column in data.columns.named() if key in named]
    has_choices = bool(data.columns.choices or data.fixed_choices)
    if data.answers or not data.columns.answer or not has_choices:
        return data
    files, kinds = ImageFiles(data, Path(), ExitStack()), set[str]()
    for cells in read([*columns, *data.filter]):
        if not isinstance(cells, RowError) and passes(cells, data.filter):
            with suppress(TableError):
                kinds.add(Cells(data, "", cells, files, modalities).answer_kind())
        if len(kinds - {""}) > 1:
            break
    for kind in ("texts", "letters"):
        if kinds - {""} == {kind}:
            return replace(data, answers=kind)
    return data
