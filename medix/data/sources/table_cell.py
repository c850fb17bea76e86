"""One cell of a row of a table."""

import math
from collections.abc import Container, Mapping
from decimal import Decimal
from typing import Any

from medix.data.sources.class_label import Label
from medix.data.sources.inline_image import shown
from medix.data.sources.table_file import TableError
from medix.data.sources.table_labels import label_of


class CellError(TableError):
    """A cell makes no sense.

    Args:
        where: file and number of the row.
        key: the key of ``Columns`` that names its column.
        column: the column; empty where several are meant.
        value: the value.
        remedy: what is wrong and what to do.
        kind: as of ``RowError``.
    """

    def __init__(self, where: str, key: str, column: str, value: object, remedy: str, kind: str = "cell") -> None:
        named = f" ({column})" if column and key == "images" else ""  # one of several
        super().__init__(f"{where}: columns.{key}{named}: {shown(value)}; {remedy}")
        self.key, self.column, self.value, self.remedy, self.kind = key, column, value, remedy, kind


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
    """A cell as text: labels by their names, whole numbers without a point; None for what is no text (``no_text``)."""
    if value is None or _is_nan(value):
        return ""
    if isinstance(value, Label):
        return value.name
    if isinstance(value, Decimal):
        value = label_of(value)
    if isinstance(value, str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(int(value)) if isinstance(value, int) and not isinstance(value, bool) else None


def no_text(value: Any) -> str:
    """What is wrong with a cell that is no text, and what to do."""
    if isinstance(value, float):  # JSON 1e400, too
        return "it is no finite number; correct it, or write it as text"
    return f"a {type(value).__name__} is no text; give text or a number"


def passes(row: Mapping[str, Any], wanted: Mapping[str, str | int | list[str]]) -> bool:
    """Whether each of these columns of a row has its value, or one of several."""
    return all(_matches(cell(row, column), values) for column, values in wanted.items())


def _matches(value: Any, wanted: str | int | list[str]) -> bool:
    given = {text_of(value), text_of(label_of(value)), *((str(int(value)),) if isinstance(value, Label) else ())}
    if isinstance(value, bool):
        given.add(str(value))
    return bool(given & {str(one) for one in (wanted if isinstance(wanted, list) else [wanted])})


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
