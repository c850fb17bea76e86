"""The interface of the sources of samples: rows that are cheap to enumerate, and the sample of one row."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medix.types import Sample


class RowError(ValueError):
    """A row cannot be made a sample.

    A *fault* is an error in the input: it stops the build, unless such rows are left out (``--skip-bad``). A *refusal*
    is a decision about a row that is as it should be, such as an image with burned-in text: it is always left out.
    Both are counted by kind.

    Args:
        key: column, field or attribute that is wrong.
        value: its value.
        remedy: what is wrong and what to do.
        kind: one stable word for tables.
        refused: whether it is a refusal.
    """

    def __init__(self, key: str, value: Any, remedy: str, kind: str = "invalid", refused: bool = False) -> None:
        super().__init__(key, value, remedy, kind, refused)  # pickled by these: workers send errors
        self.key, self.value, self.remedy, self.kind, self.refused = key, value, remedy, kind, refused

    def __str__(self) -> str:
        return f"{self.key}: {self.value!r:.120}; {self.remedy}"


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row of the input.

    Attributes:
        where: file and line, row or member, for messages.
        content: what ``Source.sample`` needs, as small as it can be and picklable; a ``RowError`` for a row that
            cannot be read.
    """

    where: str
    content: Any


class Source(ABC):
    """Rows of one kind of input.

    Enumerating rows is cheap and ordered. Making a sample is the expensive part and is done by several processes, to
    which the source is pickled. Both depend on nothing but the input and the arguments.
    """

    @property
    def has_ids(self) -> bool:
        """Whether the rows have ids. If not, ids are made of their content, and equal rows are one sample."""
        return True

    @property
    def salt_digest(self) -> str | None:
        """Of the secret of the pseudonyms that ids and cases are; empty if they are as the input names them, None if
        that is not known.
        """
        return ""

    @property
    def counts(self) -> Counter[str]:
        """What happened while samples were made, such as the number of converted images.

        The caller of ``sample`` reads and clears it; ``notes`` gets the sums over the samples that were stored.
        """
        counts: Counter[str] = self.__dict__.setdefault("_counts", Counter())
        return counts

    @abstractmethod
    def rows(self) -> Iterator[SourceRow]:
        """The rows in order.

        Raises:
            ValueError: the input is not there, is of another kind, or cannot be read at all.
        """

    @abstractmethod
    def sample(self, row: SourceRow) -> Sample:
        """The sample of a row. ``modality`` is None where neither the row nor the arguments state it.

        Raises:
            RowError: the row is faulty or refused.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Hash of the input (paths, sizes, modification times) and of the arguments.

        An interrupted build continues only if it is unchanged.
        """

    def notes(self, counts: Counter[str]) -> list[str]:  # noqa: ARG002 - of subclasses
        """Sentences for the end of a build.

        Args:
            counts: sums of ``counts``, and the number of rows left out by their kind (``RowError.kind``).
        """
        return []

    def total(self) -> int | None:
        """Number of rows, for the progress bar; None if it is not known without reading them."""
        return None


def content_id(sample: Sample) -> str:
    """An id of what a sample asks, for rows without one: equal rows have equal ids."""
    content = [sample.question, sample.reference, *sample.aliases, *sample.image_ids]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]


def stamps(*paths: Path) -> str:
    """Paths, sizes and modification times of files as one text, for ``Source.fingerprint``."""
    found = []
    for path in paths:
        status = path.stat()
        found.append([str(path.resolve()), status.st_size, status.st_mtime_ns])
    return json.dumps(found)


def files_below(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The files below a folder with one of these ends, in lower case, sorted.

    What begins with a dot is passed over: ``._a.csv``, which macOS writes beside ``a.csv``, and folders of programs.
    """
    found = (path for path in folder.rglob("*") if path.name.lower().endswith(suffixes))
    return sorted(path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts))


def stamp(path: Path) -> str:
    """Path, size and modification time of a file; the path alone of what is not there, or is no path."""
    try:
        return stamps(path)
    except (OSError, ValueError):
        return str(path)
