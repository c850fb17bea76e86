"""Question-answer rows in a JSON lines file, with images in files beside it."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from medix.data.record import read_json
from medix.data.sources.source import RowError
from medix.data.sources.table_file import TableError
from medix.data.sources.table_source import CellRow, TableSource
from medix.text_lines import Line, TextFileError, bad_letters, encoding_fault, read_lines

_FIRST_ROWS = 100


class JsonlSource(TableSource):
    """The rows of a JSON lines file.

    The file is in UTF-8, or in UTF-16 or UTF-32 with a byte order mark. A row in another encoding, or with a lone
    surrogate, is faulty: no tokenizer takes it. Rows need not have all columns.
    """

    def names(self) -> Sequence[str]:
        """The columns of the first hundred rows."""
        first = list(islice(self.cells(), _FIRST_ROWS))
        if not first:
            raise TableError(f"{self.path}: holds no rows; check the file")
        faults = [(where, cells) for where, cells in first if isinstance(cells, RowError)]
        if len(faults) == len(first):
            raise TableError(f"{faults[0][0]}: {faults[0][1]}")
        return list(dict.fromkeys(name for _, cells in first if not isinstance(cells, RowError) for name in cells))

    def cells(self) -> Iterator[tuple[str, CellRow | RowError]]:
        """The rows."""
        try:
            for line in read_lines(self.path):
                yield f"{self.path}, line {line.number}", json_row(line)
        except OSError as error:
            raise TableError(f"{self.path}: cannot be opened ({error.strerror}); check the path") from error
        except TextFileError as error:
            raise TableError(f"{error}, or name its kind with --from") from error

    def total(self) -> int:
        """Number of lines that are not blank."""
        return sum(1 for _ in read_lines(self.path))


def json_row(line: Line) -> dict[str, Any] | RowError:
    """The object of a line, or why there is none."""
    try:
        row = read_json(line.text)
    except ValueError as error:
        if not line.is_decoded:
            return RowError("row", line.text.strip(), encoding_fault(line.text), "encoding")
        remedy = f"cannot be read ({error}); write one JSON object per line"
        return RowError("row", line.text.strip(), remedy, "json")
    if not isinstance(row, dict):
        return RowError("row", row, "write one object per line", "json")
    key, text = bad_letters(row)
    if key:
        remedy = "it has half of a surrogate pair, which is no character; write the text again without it"
        return RowError(key, text, remedy if line.is_decoded else encoding_fault(text), "encoding")
    return row
