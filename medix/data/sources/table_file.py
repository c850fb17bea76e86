"""Rows of a table in a file: Parquet, JSON lines, a JSON list, CSV."""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from medix.data.partition import NOTHING, as_shown
from medix.data.record import read_json
from medix.data.sources.source import RowError
from medix.data.sources.table_arrow import columns_with, names_in, rows_in
from medix.files.text_lines import BYTE_ORDER_MARKS, TextFileError, encoding_fault, lines_of

SUFFIXES = (".parquet", ".jsonl", ".jsonl.gz", ".csv", ".tsv", ".json")
"""What is read."""

UNPACKED_BY = {".gz": "gunzip", ".zip": "unzip", ".bz2": "bunzip2", ".xz": "unxz", ".zst": "unzstd", ".tar": "tar -xf",
               ".tgz": "tar -xf"}  # fmt: skip
"""What unpacks a file, by the end of its name."""

_PARQUET = b"PAR1"
_ROWS_AT_ONCE = 64  # with their images
_WHOLE = re.compile(r"(-?[0-9]+)\.0")
_UNDECODED = re.compile("[\udc80-\udcff]")


class TableError(ValueError):
    """A table cannot be read, or a row of it makes no sense; names file, row, column, value and remedy."""


class TextRow(dict[str, Any]):
    """A row whose cells are all texts, in which nothing is a text, too: ``nan``, ``None``, ``null``."""


def stated(row: Mapping[str, Any], text: str) -> str:
    """A text of a row; of text rows, empty for what programs write where there is nothing."""
    return "" if isinstance(row, TextRow) and text.strip() in NOTHING else text


def whole(row: Mapping[str, Any], text: str) -> str:
    """A text of a row that names a patient or the like: of text rows, ``11.0`` as the whole number ``11`` that it is.

    pandas writes a column of whole numbers with a gap so, and the same patient as ``11`` in a file without one.
    """
    match = _WHOLE.fullmatch(as_shown(text)) if isinstance(row, TextRow) else None
    return match[1] if match else text


def table_suffix(path: Path) -> str:
    """Which of ``SUFFIXES`` a file name ends in, in any case; empty if in none."""
    return next((suffix for suffix in sorted(SUFFIXES, key=len)[::-1] if path.name.lower().endswith(suffix)), "")


class TableFile:
    """The rows of one file, as ``(number, row)`` with numbers from 1.

    Text is UTF-8, or UTF-16 or UTF-32 with a byte order mark. Columns of CSV without a name, such as an index of pandas
    or what spreadsheets write behind the last, are passed over. A ``.json`` file is one list of objects, or JSON lines:
    data sets name both so. Numbers that stand for names come as ``Label``. Image columns come as they are stored:
    ``{"bytes": …, "path": …}`` in the Parquet files of a hub.

    Args:
        path: the file; its suffix, in any case, says what it is.

    Raises:
        TableError: it is none of ``SUFFIXES``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kind = table_suffix(path)
        if not self.kind:
            raise TableError(f"{path}: is no table that is read; give one of {', '.join(SUFFIXES)}")

    @property
    def columns(self) -> tuple[str, ...] | None:
        """Names of the columns; None for JSON, whose rows may each have their own."""
        if self.kind == ".parquet":
            return tuple(self._parquet().schema_arrow.names)
        if self.kind in (".csv", ".tsv"):
            with self._text() as stream:
                return tuple(filter(str.strip, self._header(self._csv(stream))))
        return None

    @property
    def parquet_rows(self) -> int:
        """Number of rows of a Parquet file, from its footer."""
        return int(self._parquet().metadata.num_rows)

    def parquet_names(self, column: str) -> Iterator[str]:
        """What names files in a column of a Parquet file, of which nothing else is read (``names_in``)."""
        file = self._parquet()
        leaves = [file.schema.column(place) for place in range(len(file.schema))]
        texts = [leaf.path for leaf in leaves if leaf.logical_type.type in ("STRING", "JSON")]
        named = [path for path in texts if path == column or path.startswith(f"{column}.")]
        for batch in file.iter_batches(columns=named):
            yield from names_in(batch, column)

    def __iter__(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Raises TableError for a file or row that cannot be read."""
        for number, row in self.checked_rows():
            if isinstance(row, RowError):
                raise TableError(f"{self.path}, row {number}: {row}")
            yield number, row

    def checked_rows(self) -> Iterator[tuple[int, Mapping[str, Any] | RowError]]:
        """The rows, those of CSV that are faulty by their errors.

        Raises:
            TableError: the file, or a row of another kind, cannot be read.
        """
        if self.kind == ".parquet":
            return self._parquet_rows()
        if self.kind in (".csv", ".tsv"):
            return self._csv_rows()
        return self._json_list() if self.kind == ".json" and self._is_list() else self._json_rows()

    def some(self, columns: Collection[str]) -> Iterator[Mapping[str, Any] | RowError]:
        """As ``checked_rows`` without numbers; of Parquet, only these columns are read."""
        if self.kind == ".parquet":
            return (row for _, row in self._parquet_rows(columns))
        return (row for _, row in self.checked_rows())

    # Parquet ----------------------------------------------------------------------------------------------------------

    def _parquet(self) -> Any:
        try:
            import pyarrow as pa
            import pyarrow.parquet as pq
        except ImportError as error:
            raise TableError(
                f"{self.path}: Parquet files need pyarrow; pip install 'medix-rl[hub]', or give JSON lines"
            ) from error
        with self._found():
            try:
                return pq.ParquetFile(self.path)
            except pa.ArrowInvalid as error:
                raise TableError(
                    f"{self.path}: is no complete Parquet file ({_first_line(error)}); fetch it again"
                ) from error

    def _parquet_rows(self, columns: Collection[str] | None = None) -> Iterator[tuple[int, Mapping[str, Any]]]:
        file = self._parquet()
        features = _features(file.schema_arrow.metadata or {})
        read = None if columns is None else columns_with(file.schema_arrow.names, columns)
        number = 0
        try:
            for batch in file.iter_batches(batch_size=_ROWS_AT_ONCE, columns=read):
                for row in rows_in(batch, features):
                    number += 1
                    yield number, row
        except OSError as error:  # of pyarrow too, for pages that are damaged
            raise TableError(f"{self.path}: cannot be read after row {number} ({_first_line(error)})") from error

    # Text -------------------------------------------------------------------------------------------------------------

    def _json_rows(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        number = 0
        with self._found(), self._opened() as file:
            try:
                for line in lines_of(self.path, file):
                    number = line.number
                    if not line.is_decoded:
                        raise ValueError(encoding_fault(line.text))
                    yield number, _object(line.text)
            except TextFileError as error:
                raise TableError(str(error)) from error
            except ValueError as error:
                raise TableError(f"{self.path}, line {number}: cannot be read ({error}); correct the line") from error
            except (EOFError, gzip.BadGzipFile, zlib.error) as error:
                raise TableError(f"{self.path}, after line {number}: is damaged ({error}); fetch it again") from error

    def _is_list(self) -> bool:
        with self._found(), open(self.path, "rb") as file:
            return file.read(4096).lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n").startswith(b"[")

    def _json_list(self) -> Iterator[tuple[int, Mapping[str, Any]]]:
        try:
            with self._text() as stream:
                text = stream.read()
            if found := _UNDECODED.search(text):
                raise ValueError(encoding_fault(text[max(found.start() - 20, 0) : found.end() + 20]))
            rows = read_json(text)
        except ValueError as error:
            raise TableError(f"{self.path}: cannot be read ({error}); correct the file") from error
        for number, row in enumerate(rows, start=1):
            if not isinstance(row, dict):
                raise TableError(f"{self.path}, row {number}: it is a {type(row).__name__}; write a list of objects")
            yield number, row

    def _opened(self) -> io.BufferedReader:
        return io.BufferedReader(gzip.GzipFile(self.path)) if self.kind.endswith(".gz") else open(self.path, "rb")

    def _csv_rows(self) -> Iterator[tuple[int, Mapping[str, Any] | RowError]]:
        with self._text() as stream:
            rows = self._csv(stream)
            header = self._header(rows)
            if twice := sorted({name for name in header if name.strip() and header.count(name) > 1}):
                raise TableError(f"{self.path}, line 1: the columns {', '.join(twice)} stand twice; rename one")
            for number, row in enumerate(rows, start=1):
                if not any(cell.strip() for cell in row):  # a blank line, also as spreadsheets write it: ,,,
                    continue
                yield number, self._csv_row(header, row)

    def _csv_row(self, header: list[str], row: list[str]) -> TextRow | RowError:
        """A row, or why it is none."""
        if len(row) != len(header):
            remedy = (
                f"has {len(row)} fields, the header has {len(header)}; put fields with a comma or a line break into "
                "quotes"
            )
            return RowError("row", self._separator.join(row), remedy, "fields")
        bad = next((one for one in zip(header, row, strict=True) if _is_undecoded(one[1])), None)
        if bad:
            return RowError(*bad, encoding_fault(bad[1]), "encoding")
        return TextRow(named for named in zip(header, row, strict=True) if named[0].strip())

    def _header(self, rows: Iterator[list[str]]) -> list[str]:
        """The names of the columns; none of an empty file."""
        header = next(rows, [])
        if bad := next(filter(_is_undecoded, header), ""):
            raise TableError(f"{self.path}, line 1: {encoding_fault(bad)}")
        if len(header) == 1 and (mark := next((one for one in ";\t|" if one in header[0]), "")):
            raise TableError(
                f"{self.path}, line 1: the columns are separated by {mark!r}, not by {self._separator!r}; save the "
                f"file with {self._separator!r}, or as tab-separated Unicode text that ends in .tsv"
            )
        return header

    @property
    def _separator(self) -> str:
        return "\t" if self.kind == ".tsv" else ","

    def _csv(self, stream: io.TextIOWrapper) -> Iterator[list[str]]:
        csv.field_size_limit(2**31 - 1)  # a field may be a whole report
        try:
            yield from csv.reader(stream, delimiter=self._separator, strict=True)
        except UnicodeDecodeError as error:  # UTF-16 that is cut
            raise TableError(f"{self.path}: is not {error.encoding} ({error.reason}); save it as UTF-8") from error
        except csv.Error as error:
            raise TableError(f"{self.path}: is not CSV ({error}); correct the file") from error

    def _text(self) -> io.TextIOWrapper:
        with self._found(), open(self.path, "rb") as file:
            start = file.read(4)
        if start == _PARQUET:
            raise TableError(f"{self.path}: is Parquet, not {self.kind}; rename it to end in .parquet")
        encoding = next((name for mark, name in BYTE_ORDER_MARKS if start.startswith(mark)), "utf-8")
        return open(self.path, encoding=encoding, errors="surrogateescape", newline="")

    def _found(self) -> "_Found":
        return _Found(self.path)


def _is_undecoded(cell: str) -> bool:
    return not cell.isascii() and bool(_UNDECODED.search(cell))


class _Found:
    """Inside, a file that cannot be opened is our error."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, OSError) and not isinstance(error, TableError):
            raise TableError(f"{self.path}: cannot be opened ({error.strerror or error}); check the path") from error


def _object(line: str) -> Mapping[str, Any]:
    row = read_json(line)
    if not isinstance(row, dict):
        raise ValueError(f"it is a {type(row).__name__}; write one object per line")
    return row


def _features(metadata: Mapping[bytes, bytes]) -> Mapping[str, Any]:
    """What ``datasets`` notes of the columns of a Parquet file that it writes."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]
