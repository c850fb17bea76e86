"""Objects in JSON files: one a line, or one list of them."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from medix.data.record import read_json
from medix.data.sources.source import RowError
from medix.data.sources.table_file import TableError
from medix.text_lines import Line, TextFileError, bad_letters, encoding_fault, lines_of, read_lines

JsonRow = dict[str, Any] | RowError
"""An object, or why a line or an element is none."""


def json_lines(path: Path) -> Iterator[tuple[str, JsonRow]]:
    """Where each line that is not blank stands, and its object.

    Raises:
        TableError: the file cannot be opened, or is of another format.
    """
    for line in text_lines(path):
        yield f"{path}, line {line.number}", _of_line(line)


def text_lines(path: Path) -> Iterator[Line]:
    """The lines that are not blank, of a file that may be compressed with gzip (``.gz``).

    Raises:
        TableError: as ``json_lines``.
    """
    try:
        if path.name.lower().endswith(".gz"):
            with gzip.open(path) as file:
                yield from lines_of(path, io.BufferedReader(file))
        else:
            yield from read_lines(path)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TableError(f"{path}: is damaged ({error}); fetch it again") from error
    except OSError as error:
        raise TableError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    except TextFileError as error:
        raise TableError(f"{error}, or name its kind with --from") from error


def json_objects(path: Path) -> Iterator[tuple[str, JsonRow]]:
    """As ``json_lines``, of a file that may also hold one list, which is read as a whole.

    Raises:
        TableError: as ``json_lines``, or a list is not valid.
    """
    try:
        with open(path, "rb") as file:
            is_list = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
        if not is_list:
            yield from json_lines(path)
            return
        content = read_json(path.read_text("utf-8-sig"))
    except OSError as error:
        raise TableError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    except ValueError as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"{path}: is no JSON list in UTF-8 ({error}); correct the file") from error
    for number, row in enumerate(content, start=1):
        yield f"{path}, row {number}", _checked(row)


def _of_line(line: Line) -> JsonRow:
    try:
        row = read_json(line.text)
    except ValueError as error:
        if not line.is_decoded:
            return RowError("row", line.text.strip(), encoding_fault(line.text), "encoding")
        remedy = f"cannot be read ({error}); write one JSON object per line"
        return RowError("row", line.text.strip(), remedy, "json")
    found = _checked(row)
    if isinstance(found, RowError) and not line.is_decoded:
        return RowError(found.key, found.value, encoding_fault(str(found.value)), "encoding")
    return found


def _checked(row: Any) -> JsonRow:
    if not isinstance(row, dict):
        return RowError("row", row, "write one object per line", "json")
    key, text = bad_letters(row)
    if key:
        remedy = "it has half of a surrogate pair, which is no character; write the text again without it"
        return RowError(key, text, remedy, "encoding")
    return row
