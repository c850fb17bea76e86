"""Rows of Arrow tables, and file names in their columns of images, found without reading the images that lie there."""

from collections.abc import Iterator, Mapping
from typing import Any

from medix.data.sources.class_label import holds_labels, labelled


def rows_in(batch: Any, features: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows, in which numbers that stand for names are a ``Label``.

    Args:
        batch: table or batch of Arrow.
        features: what ``datasets`` notes of columns (``labelled``).
    """
    with_labels = {column: feature for column, feature in features.items() if holds_labels(feature)}
    for row in batch.to_pylist():
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
    elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or pa.types.is_fixed_size_list(array.type):
        yield from _texts(array.flatten(), fields)
    elif pa.types.is_struct(array.type):
        if fields and array.type.get_field_index(fields[0]) >= 0:
            yield from _texts(array.field(fields[0]), fields[1:])
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        yield from filter(None, array.to_pylist())
