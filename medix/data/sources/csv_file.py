"""Question-answer rows in CSV or TSV files, with images in files beside them."""

from medix.data.sources.table_files import FilesSource


class CsvSource(FilesSource):
    """The rows of files whose first line names the columns.

    An image cell is a file name, base64, a ``data:`` address, or an object or a list of these as JSON, Python or numpy
    writes it. A row of another encoding, or with other than as many fields as the header, is faulty.
    """

    kind = "csv"
    suffixes = (".csv", ".tsv")
