"""Rows of Arrow tables, and file names in their columns of images, found without reading the images that lie there."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from medix.data.sources.class_label import holds_labels, labelled

_LONGEST = 256  # elements of a list of texts; longer ones, as of waveforms, are none and may be many


def rows_in(batch: Any, features: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows, in which numbers that stand for names are a ``Label``, and a float of 16 or 32 bits that of its text.

    That is the shortest that no other float of as many bits has: 0.1, not 0.10000000149011612.

    Args:
        batch: table or batch of Arrow.
        features: what ``datasets`` notes of columns (``labelled``).
    """
    with_labels = {column: feature for column, feature in features.items() if holds_labels(feature)}
    short = {field.name: field.type for field in batch.schema if _holds_short(field.type)}
    for row in batch.to_pylist():
        row |= {column: _shortest(row[column], kind) for column, kind in short.items()}
        named = {column: labelled(row[column], feature) for column, feature in with_labels.items() if column in row}
        yield row | named


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
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        yield from filter(None, array.to_pylist())


def _is_list(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_short(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_float16(kind) or pa.types.is_float32(kind))


def _holds_short(kind: Any) -> bool:
    import pyarrow as pa

    if _is_list(kind):
        return _holds_short(kind.value_type)
    return any(_holds_short(field.type) for field in kind) if pa.types.is_struct(kind) else _is_short(kind)


def _shortest(value: Any, kind: Any) -> Any:
    """A value of an Arrow type, in which floats of 16 and 32 bits are those that their texts write."""
    if isinstance(value, list) and _is_list(kind):
        return value if len(value) > _LONGEST else [_shortest(one, kind.value_type) for one in value]
    if isinstance(value, dict):
        return {field.name: _shortest(value[field.name], field.type) for field in kind}
    if isinstance(value, float) and _is_short(kind):
        return float(str(np.float16(value) if kind.bit_width == 16 else np.float32(value)))
    return value
