"""Question-answer rows in a JSON file, with images in files beside it."""

from collections.abc import Iterator, Sequence

from medix.data.sources.json_rows import JsonRow, json_lines, json_objects, text_lines
from medix.data.sources.source import RowError
from medix.data.sources.table_file import TableError
from medix.data.sources.table_source import TableSource


class JsonlSource(TableSource):
    """The rows of a JSON lines file, also one compressed with gzip (``.gz``), or of a list in a ``.json`` file.

    The file is in UTF-8, or in UTF-16 or UTF-32 with a byte order mark. A row in another encoding, or with a lone
    surrogate, is faulty: no tokenizer takes it. Rows need not have all columns.
    """

    def names(self) -> Sequence[str]:
        """The columns of all rows: a column of images that only later rows have must not be passed over."""
        names: dict[str, None] = {}
        fault = ""
        for where, cells in self.cells():
            if isinstance(cells, RowError):
                fault = fault or f"{where}: {cells}"
            else:
                names |= dict.fromkeys(cells)
        if not names:
            raise TableError(fault or f"{self.path}: holds no rows; check the file")
        return list(names)

    def cells(self) -> Iterator[tuple[str, JsonRow]]:
        """The rows."""
        return json_objects(self.path) if self._may_be_list else json_lines(self.path)

    def total(self) -> int:
        """Number of lines that are not blank, or of elements."""
        return sum(1 for _ in (self.cells() if self._may_be_list else text_lines(self.path)))

    @property
    def _may_be_list(self) -> bool:
        return self.path.name.lower().endswith(".json")
