"""The images of one cell of a table, in whichever way the cell names or holds them."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from medix.data.sources.inline_image import InlineImageError, decoded, inline_image, is_name
from medix.data.sources.table_images import ImageFiles, TableImage
from medix.data.sources.written_value import UnclearListError, written_out

_WRITTEN = re.compile(r"\{.*\}|b'.*'|b\".*\"", re.DOTALL)
_ALLOWED = "give a file name, base64, a data: address, encoded bytes, or an object with bytes or path"


class ImageCellError(ValueError):
    """A cell is filled, and with nothing that is read as an image; the message says what is."""


def image_of(column: str, value: Any, files: ImageFiles) -> TableImage | None:
    """The image of a cell, or of an element of its list; None only of what is empty.

    Args:
        column: that holds it.
        value: a file name, base64, a ``data:`` address, encoded bytes, an object with ``bytes`` or ``path``, or such an
            object or bytes as pandas writes them into CSV.
        files: reads images that are given by name.

    Raises:
        ImageCellError: it is none of these.
    """
    value = _written(value)
    if isinstance(value, Mapping):
        data, path, others = value.get("bytes"), value.get("path"), value.keys() - {"bytes", "path"}
        if isinstance(data, bytes | bytearray | str) and data:
            return _held(column, path if isinstance(path, str) and path else column, data)
        if data or (not path and any(value[key] is not None for key in others)):
            raise ImageCellError(_ALLOWED)
        value = path
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, bytes | bytearray):
        return TableImage(column, bytes(value))
    if not isinstance(value, str):
        raise ImageCellError(_ALLOWED)
    try:
        inside = inline_image(value)
    except InlineImageError as error:
        return TableImage.unread(column, value, str(error))
    if inside is not None:
        return TableImage(column, inside)
    if not is_name(value):
        raise ImageCellError(f"it is neither a file name nor an image; {_ALLOWED}")
    return files.read(value)


def _written(value: Any) -> Any:
    """What a text writes out, if it is an object or bytes; another value as it is."""
    if not isinstance(value, str) or not _WRITTEN.fullmatch(value.strip()):
        return value
    try:
        return written_out(value)
    except UnclearListError as error:
        raise ImageCellError(str(error)) from error
    except ValueError:
        return value


def _held(column: str, name: str, data: bytes | bytearray | str) -> TableImage:
    """The image of an object's bytes, which are base64 where text holds them."""
    if not isinstance(data, str):
        return TableImage(name, bytes(data))
    try:
        return TableImage(name, inline_image(data) or decoded(data))
    except InlineImageError as error:
        return TableImage.unread(column, data, f"its bytes: {error}")


def image_list(value: Any) -> Sequence[Any]:
    """The images of a cell: a list, also one that a text writes out as in CSV, or one image.

    Raises:
        ValueError: a text in brackets is no list, or an unclear one.
    """
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        value = written_out(value)
    return value if isinstance(value, list | tuple) else [value]
