"""Tables in files: what Parquet and CSV have in common."""

import re
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from medix.data.sources.source import RowError, files_below
from medix.data.sources.table_file import UNPACKED_BY, TableError, TableFile
from medix.data.sources.table_sample import CellRow
from medix.data.sources.table_source import TableSource

_SPLIT = re.compile(r"(?:^|[^a-z])(train|validation|valid|val|dev|test)(?![a-z])")
_SAME = {"validation": "val", "valid": "val", "dev": "val"}


class FilesSource(TableSource):
    """The rows of a file, or of all files of a folder in the order of their names; all have the same columns.

    Attributes:
        kind: the word of the command line.
        suffixes: ends of the names of files, in any case.
    """

    kind: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]]

    def files(self) -> Sequence[Path]:
        """The files.

        Raises:
            TableError: there is none, or those of a folder are of several splits.
        """
        shown, path = ", ".join(self.suffixes), self.path
        if path.is_dir():
            found = files_below(path, self.suffixes)
            one_split(found, path, f"--from {self.kind} {path}")
            if found:
                return found
            raise TableError(f"--from {self.kind} {path}: the folder holds no file that ends in {shown}")
        if not path.exists():
            raise TableError(f"--from {self.kind} {path}: there is no such file; check the path")
        if not path.name.lower().endswith(self.suffixes):
            program = UNPACKED_BY.get(path.suffix.lower())
            remedy = f"unpack it: {program}" if program else "give the kind that it is by --from, or rename it"
            raise TableError(f"--from {self.kind} {path}: does not end in {shown}; {remedy}")
        return [path]

    def names(self) -> Sequence[str]:
        """The columns."""
        first, *others = self.files()
        names = TableFile(first).columns or ()
        for other in others:
            if set(found := TableFile(other).columns or ()) != set(names):
                differ = ", ".join(sorted(set(found) ^ set(names)))
                raise TableError(f"{other}: has other columns than {first} ({differ}); build them one by one")
        return names

    def cells(self) -> Iterator[tuple[str, CellRow | RowError]]:
        """The rows."""
        for file in self.files():
            for number, row in TableFile(file).checked_rows():
                yield f"{file}, row {number}", row

    def some(self, columns: Collection[str]) -> Iterator[CellRow | RowError]:
        """The rows; of Parquet, only these columns are read."""
        return (row for file in self.files() for row in TableFile(file).some(columns))


def one_split(files: Sequence[Path], folder: Path, told: str) -> None:
    """Refuse files of a folder whose names say that they are of several splits.

    Args:
        files: below the folder.
        folder: the folder.
        told: the input, for messages.

    Raises:
        TableError: they are.
    """
    names = (str(file.relative_to(folder)) for file in files)
    splits = {_SAME.get(split, split) for name in names for split in [*_SPLIT.findall(name.lower())][-1:]}
    if len(splits) > 1:
        raise TableError(f"{told}: holds files of several splits ({', '.join(sorted(splits))}); name those of one")
