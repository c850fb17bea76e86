"""Rows of Arrow tables, and file names in their columns of images, found without reading the images that lie there."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

import numpy as np

from medix.data.record import read_json
from medix.data.sources.class_label import holds_labels, labelled

_LONGEST = 256  # elements of a list of floats; longer ones, as of waveforms, are no texts and may be many


def rows_in(batch: Any, features: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows, in which numbers that stand for names are a ``Label``, and a float of 16 or 32 bits that of its text.

    That is the shortest that no other float of as many bits has: 0.1, not 0.10000000149011612. Columns of JSON, as
    ``datasets`` writes those of mixed types, hold the values that it writes.

    Args:
        batch: table or batch of Arrow.
        features: what ``datasets`` notes of columns (``labelled``).
    """
    with_labels = {column: feature for column, feature in features.items() if holds_labels(feature)}
    stored = {field.name: field.type for field in batch.schema if _is_restored(field.type)}
    for row in batch.to_pylist():
        row |= {column: _restored(row[column], kind) for column, kind in stored.items()}
        named = {column: labelled(row[column], feature) for column, feature in with_labels.items() if column in row}
        yield row | named


def columns_with(names: Iterable[str], columns: Collection[str]) -> list[str]:
    """Those of the names that are columns, or of which columns are fields."""
    outer = {column.partition(".")[0] for column in columns}
    return [name for name in names if name in columns or name in outer]


def names_in(batch: Any, column: str) -> Iterator[str]:
    """What names files in a column: its texts, those of its lists, and ``path`` of ``{"bytes": …, "path": …}``.

    Args:
        batch: table or batch of Arrow.
        column: its name; ``a.b`` is the field ``b`` of a column ``a`` that holds objects.
    """
    if column in batch.schema.names:
        yield from _texts(batch.column(column), ("path",))
    else:
        outer, *inner = column.split(".")
        if outer in batch.schema.names:
            yield from _texts(batch.column(outer), (*inner, "path"))


def _texts(array: Any, fields: tuple[str, ...]) -> Iterator[str]:
    """The texts of an array; of objects, those of the field that is named first."""
    import pyarrow as pa

    if isinstance(array, pa.ChunkedArray):
        for chunk in array.chunks:
            yield from _texts(chunk, fields)
    elif _is_list(array.type):
        yield from _texts(array.flatten(), fields)
    elif pa.types.is_struct(array.type):
        if fields and array.type.get_field_index(fields[0]) >= 0:
            yield from _texts(array.field(fields[0]), fields[1:])
    elif _is_json(array.type):
        yield from _texts_of(list(map(_written, array.to_pylist())), fields)
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        yield from filter(None, array.to_pylist())


def _texts_of(value: Any, fields: tuple[str, ...]) -> Iterator[str]:
    """As ``_texts``, of a value that JSON writes."""
    if isinstance(value, list):
        for one in value:
            yield from _texts_of(one, fields)
    elif isinstance(value, dict) and fields:
        yield from _texts_of(value.get(fields[0]), fields[1:])
    elif isinstance(value, str) and value:
        yield value


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_short(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_float16(kind) or pa.types.is_float32(kind))


def _is_json(kind: Any) -> bool:
    return getattr(kind, "extension_name", "") == "arrow.json"


def _is_restored(kind: Any) -> bool:
    """Whether a type is, or holds, one whose values are stored as others than they are."""
    import pyarrow as pa

    if _is_list(kind):
        return _is_restored(kind.value_type)
    if pa.types.is_struct(kind):
        return any(_is_restored(field.type) for field in kind)
    return _is_json(kind) or _is_short(kind)


def _restored(value: Any, kind: Any) -> Any:
    """A value of an Arrow type, with what JSON writes, and floats of 16 and 32 bits that are those of their texts."""
    if isinstance(value, list) and _is_list(kind):
        is_long = len(value) > _LONGEST and _is_short(kind.value_type)
        return value if is_long else [_restored(one, kind.value_type) for one in value]
    if isinstance(value, dict):
        return {field.name: _restored(value[field.name], field.type) for field in kind}
    if isinstance(value, float) and _is_short(kind):
        return float(str(np.float16(value) if kind.bit_width == 16 else np.float32(value)))
    return _written(value) if _is_json(kind) else value


def _written(text: str | None) -> Any:
    """The value that a cell of JSON writes.

    ``datasets`` stores texts as they are that can be read as JSON themselves. So a number that JSON would write
    otherwise is such a text (``007``, ``1.50``), and so are ``null`` and ``NaN``: nothing is stored as nothing.
    """
    if text is None:
        return None
    try:
        value = read_json(text)
    except ValueError:
        return text
    is_number = isinstance(value, int | float)
    return text if value is None or (is_number and not (isfinite(value) and json.dumps(value) == text)) else value
