"""Question-answer rows in a JSON lines file, with images in files beside it."""

from collections.abc import Iterator, Sequence
from itertools import islice

from medix.data.sources.json_rows import JsonRow, json_lines
from medix.data.sources.source import RowError
from medix.data.sources.table_file import TableError
from medix.data.sources.table_source import TableSource
from medix.text_lines import read_lines

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

    def cells(self) -> Iterator[tuple[str, JsonRow]]:
        """The rows."""
        return json_lines(self.path)

    def total(self) -> int:
        """Number of lines that are not blank."""
        return sum(1 for _ in read_lines(self.path))
