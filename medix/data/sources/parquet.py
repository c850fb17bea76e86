"""Question-answer rows in Parquet files, with images in them or in files beside them."""

from collections.abc import Iterator

from medix.data.sources.table_file import TableFile
from medix.data.sources.table_files import FilesSource


class ParquetSource(FilesSource):
    """The rows of Parquet files.

    Images are encoded bytes, ``{"bytes": …, "path": …}`` as the files of a hub hold them, base64, file names, or lists
    of these.
    """

    kind = "parquet"
    suffixes = (".parquet",)

    def image_names(self, column: str) -> Iterator[str]:
        """What names files in a column."""
        return (name for file in self.files() for name in TableFile(file).parquet_names(column))

    def total(self) -> int:
        """Number of rows, those that a filter leaves out included."""
        return sum(TableFile(file).parquet_rows for file in self.files())
