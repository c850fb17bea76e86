"""Text files with one record a line, in the encodings in which editors, spreadsheets and databases write them.

A line ends at a line feed alone: U+2028, U+2029 and U+0085 are characters of a text.
"""

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

BYTE_ORDER_MARKS = (
    (b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"),
)  # fmt: skip
"""The first bytes that name an encoding; the longer of two that begin alike stands first."""

_UNMARKED = ((re.compile(rb"\s*[{\[]\0"), "utf-16-le"), (re.compile(rb"\0[{\[]"), "utf-16-be"))
_FORMATS = (
    (0, b"PAR1", "Parquet", "pandas.read_parquet"),
    (0, b"ARROW1", "Arrow", "pandas.read_feather"),
    (0, b"PK\x03\x04", "a ZIP archive or an Excel workbook", "pandas.read_excel"),
    (0, b"\xd0\xcf\x11\xe0", "an old Excel workbook", "pandas.read_excel"),
    (0, b"\x89HDF", "HDF5", "pandas.read_hdf"),
    (0, b"SQLite format 3\0", "an SQLite database", "pandas.read_sql"),
    (128, b"DICM", "a DICOM image", ""),
    (0, b"\xff\xd8\xff", "a JPEG image", ""),
    (0, b"\x89PNG", "a PNG image", ""),
    (0, b"%PDF", "PDF", ""),
    (0, b"\x1f\x8b", "compressed with gzip", "unpack it: gunzip"),
    (0, b"(\xb5/\xfd", "compressed with zstd", "unpack it: unzstd"),
    (257, b"ustar", "a tar archive", "unpack it: tar -xf"),
)
_FIRST_LINES = 5

HEAD = 1 << 16
"""How many of the first bytes tell the encoding and the format."""


class TextFileError(ValueError):
    """A file is not text of the expected kind; the message names the file, what it is and what to do."""


class Line(NamedTuple):
    """One line of a file.

    Attributes:
        number: of the line, from 1.
        text: without the line break. Bytes that are not of the encoding of the file are lone surrogates in it.
        is_decoded: whether there were no such bytes.
        is_ended: whether a line feed followed.
    """

    number: int
    text: str
    is_decoded: bool = True
    is_ended: bool = True


def read_lines(path: Path) -> Iterator[Line]:
    """Read the lines of a file of JSON objects that are not blank.

    The file is in UTF-8 with or without a byte order mark, or in UTF-16 or UTF-32.

    Raises:
        TextFileError: it is of another format, such as Parquet or CSV, or is cut within a character of UTF-16.
        OSError: it cannot be opened.
    """
    with open(path, "rb") as file:
        yield from lines_of(path, file)


def lines_of(path: Path, file: io.BufferedReader) -> Iterator[Line]:
    """As ``read_lines``, of an open file, which may be one that decompresses.

    Args:
        path: of the file, for messages.
        file: its content.
    """
    head = file.read(HEAD)
    file.seek(0)
    encoding = encoding_of(head)
    if fault := _other_format(head, encoding):
        raise TextFileError(f"{path}: {fault}")
    lines = _utf8_lines(file) if encoding.startswith("utf-8") else _wide_lines(path, file, encoding)
    yield from (line for line in lines if line.text.strip())


def bad_letters(row: Any) -> tuple[str, str]:
    """The first key of a JSON value under which lone surrogates stand, and that text; empty if there is none."""
    pairs: Iterable[tuple[str, Any]] = row.items() if isinstance(row, dict) else [("", row)]
    for key, value in pairs:
        found = next(
            (text for text in _texts({key: value}) if any("\ud800" <= letter <= "\udfff" for letter in text)), ""
        )
        if found:
            return key, found
    return "", ""


def encoding_fault(text: str) -> str:
    """What is wrong with a text that holds bytes of another encoding, and the remedy.

    Args:
        text: decoded with those bytes as lone surrogates.
    """
    data = text.encode("utf-8", "surrogateescape")
    try:
        meant = f"in Windows-1252 it is {data.decode('cp1252')!r:.80}"
    except UnicodeDecodeError:
        meant = "nor is it Windows-1252"
    return f"it is not UTF-8 ({meant}); save the file as UTF-8, or convert it: iconv -f CP1252 -t UTF-8 FILE"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for part in value.items() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield from _texts(part)


def encoding_of(head: bytes) -> str:
    """The encoding of a file of JSON, by its first bytes: its byte order mark, or how it writes ``{`` or ``[``."""
    marked = next((name for mark, name in BYTE_ORDER_MARKS if head.startswith(mark)), "")
    return marked or next((name for begin, name in _UNMARKED if begin.match(head)), "utf-8")


def _other_format(head: bytes, encoding: str) -> str:
    """What a file is that holds no JSON lines, and the remedy; empty if it may hold them."""
    for start, mark, name, remedy in _FORMATS:
        if head[start:].startswith(mark):
            remedy = (
                remedy if remedy.startswith("unpack") else _conversion(remedy) if remedy else "give the file of rows"
            )
            return f"this is {name}, not JSON lines; {remedy}"
    lines = [line for line in head.decode(encoding, "replace").split("\n") if line.strip()][:_FIRST_LINES]
    first = lines[0].strip() if lines else ""
    if first.startswith("[") and (first == "[" or first.startswith("[{")):
        return "this is one JSON list, not JSON lines; write one object a line: jq -c '.[]' FILE"
    if first == "{" and len(lines) > 1:
        return "this is JSON over several lines, not JSON lines; write one object a line: jq -c . FILE"
    marks = [mark for mark in "\t;," if mark in first]
    if marks and not any(line.lstrip().startswith(("{", "[")) for line in lines):
        separator = "" if marks[0] == "," else f", sep={marks[0]!r}"
        return f"this is a table such as CSV, not JSON lines; {_conversion('pandas.read_csv', separator)}"
    return ""


def _conversion(reader: str, more: str = "") -> str:
    return f"convert it: {reader}('FILE'{more}).to_json('rows.jsonl', orient='records', lines=True)"


def _utf8_lines(file: io.BufferedReader) -> Iterator[Line]:
    for number, line in enumerate(file, 1):
        data = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        text = data.decode("utf-8", "surrogateescape")
        is_decoded = not any("\udc80" <= letter <= "\udcff" for letter in text)
        yield Line(number, text.removesuffix("\n"), is_decoded, line.endswith(b"\n"))


def _wide_lines(path: Path, file: io.BufferedReader, encoding: str) -> Iterator[Line]:
    number = 0
    try:
        for number, line in enumerate(io.TextIOWrapper(file, encoding, newline="\n"), 1):
            yield Line(number, line.removesuffix("\n"), True, line.endswith("\n"))
    except UnicodeDecodeError as error:
        told = f"{path}, after line {number}: is not {encoding.upper()} ({error.reason}); save the file as UTF-8"
        raise TextFileError(told) from error
