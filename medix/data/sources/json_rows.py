"""Objects in JSON files: one a line, or one list of them."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medix.data.record import read_json
from medix.data.sources.source import RowError
from medix.data.sources.table_file import TableError
from medix.files.text_lines import HEAD, Line, TextFileError, bad_letters, encoding_fault, encoding_of, lines_of

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
    with _opened(path) as file:
        try:
            yield from lines_of(path, file)
        except TextFileError as error:
            raise TableError(f"{error}, or name its kind with --from") from error


@contextmanager
def _opened(path: Path) -> Iterator[io.BufferedReader]:
    """The content of a file, which is unpacked if it is compressed with gzip (``.gz``).

    Raises:
        TableError: it cannot be opened, or is damaged; also where it is read.
    """
    try:
        if path.name.lower().endswith(".gz"):
            with gzip.open(path) as packed:
                yield io.BufferedReader(packed)
        else:
            with open(path, "rb") as plain:
                yield plain
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TableError(f"{path}: is damaged ({error}); fetch it again") from error
    except OSError as error:
        raise TableError(f"{path}: cannot be opened ({error.strerror}); check the path") from error


def json_objects(path: Path) -> Iterator[tuple[str, JsonRow]]:
    """As ``json_lines``, of a file that may also hold one list, which is read as a whole.

    Raises:
        TableError: as ``json_lines``, or a list is not valid.
    """
    with _opened(path) as file:
        encoding = encoding_of(head := file.read(HEAD))
        content = head + file.read() if head.decode(encoding, "replace").lstrip().startswith("[") else b""
    if not content:
        yield from json_lines(path)
        return
    try:
        rows = read_json(content.decode(encoding).removeprefix("\ufeff"))
    except ValueError as error:
        kind = encoding.removesuffix("-sig").upper()
        raise TableError(f"{path}: is no JSON list in {kind} ({error}); correct the file") from error
    for number, row in enumerate(rows, start=1):
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
