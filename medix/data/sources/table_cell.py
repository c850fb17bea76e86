"""One cell of a row of a table."""

import math
from collections.abc import Container, Mapping
from decimal import Decimal
from typing import Any

from medix.data.sources.class_label import Label
from medix.data.sources.table_labels import label_of


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
