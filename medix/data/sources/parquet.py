"""Question-answer rows in Parquet files, with images in them or in files beside them."""

from medix.data.sources.table_file import TableFile
from medix.data.sources.table_files import FilesSource


class ParquetSource(FilesSource):
    """The rows of Parquet files.

    Images are encoded bytes, ``{"bytes": …, "path": …}`` as the files of a hub hold them, file names, or lists of them.
    """

    kind = "parquet"
    suffixes = (".parquet",)
    embeds_images = True

    def total(self) -> int:
        """Number of rows, those that a filter leaves out included."""
        return sum(TableFile(file).parquet_rows for file in self.files())
