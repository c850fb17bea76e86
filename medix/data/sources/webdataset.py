"""Samples in existing tars of WebDataset: images with ``json``, ``txt`` or ``cls``."""

import glob
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from medix.data.foreign_record import ForeignRecord, cells_of, images_of, numbered, split_name
from medix.data.picture import ENDINGS
from medix.data.sources.answer_kind import with_answer_kind
from medix.data.sources.layouts import told
from medix.data.sources.source import RowError, Source, SourceRow, files_below, stamps
from medix.data.sources.stored_image import Keep, stored_image
from medix.data.sources.table_cell import passes
from medix.data.sources.table_file import TableError
from medix.data.sources.table_files import one_split
from medix.data.sources.table_sample import CellRow, told_counts
from medix.data.sources.table_source import SCHEMA, Reading
from medix.data.tar_samples import TarLayoutError, TarSample, tar_samples
from medix.data.tar_walk import tar_faults
from medix.modality import ModalitySet
from medix.types import Sample

_OTHERS = (
    (b"PK\x03\x04", "a ZIP archive; unpack it and pack the files as a tar"),
    (b"\x1f\x8b", "compressed with gzip, which allows no random access; unpack it: gunzip"),
    (b"(\xb5/\xfd", "compressed with zstd, which allows no random access; unpack it: unzstd"),
)


_TEXTS = ("json", "txt", "cls")


class TarRow(NamedTuple):
    """Where a sample lies."""

    tar: str
    sample: TarSample


class WebDatasetSource(Source):
    """The samples of tars, whose parts have the columns that ``medix.data.foreign_record`` states.

    Args:
        path: a tar, a folder of them, or a pattern with ``*`` or ``{000..009}``.
        reading: how they are read.
        keep: what becomes of images.
    """

    def __init__(self, path: str, reading: Reading, keep: Keep = stored_image) -> None:
        if path.startswith("pipe:"):
            raise ValueError(f"--from webdataset {path}: would run a command and is refused; give a path")
        self.path = path
        self.reading = reading
        self.keep = keep

    @cached_property
    def tars(self) -> tuple[Path, ...]:
        """The tars in the order of their names.

        Raises:
            TableError: there is none, those of a folder are of several splits, or one is no whole tar.
        """
        import braceexpand

        told = f"--from webdataset {self.path}"
        if Path(self.path).is_dir():
            found = files_below(Path(self.path), (".tar",))
            one_split(found, Path(self.path), told)
        else:
            patterns = braceexpand.braceexpand(self.path)
            found = [Path(name) for pattern in patterns for name in sorted(glob.glob(pattern)) or [pattern]]
        found = list({path.resolve(): path for path in found}.values())  # patterns may overlap
        missing = next((path for path in found if not path.is_file()), None)
        if missing or not found:
            raise TableError(f"{told}: {missing or 'the folder'} {'is no file' if missing else 'holds no *.tar'}")
        for tar in found:
            _check(tar)
        return tuple(found)

    @cached_property
    def layout(self) -> tuple[str, ForeignRecord]:
        """Name of the layout, and what reads its samples."""
        for tar in self.tars:
            _check(tar)
        names: dict[str, None] = {}
        fault = ""
        for tar, sample in self._all():
            cells = _cells(tar, sample)
            if isinstance(cells, RowError):
                fault = fault or f"{tar}, sample {cells}"
            else:
                names |= dict.fromkeys(cells)
        if not names:
            raise TableError(fault)
        name, data = self.reading.table(self.path, list(names))
        rows = (_cells(*found) for found in self._all())
        data = with_answer_kind(data, lambda _: rows, ModalitySet(self.reading.modalities))
        keeps_columns = name != SCHEMA and self.keep is stored_image  # of tars that are only listed: none
        return name, ForeignRecord(data, self.reading.modalities, self.reading.question, self.keep, keeps_columns)

    @property
    def has_ids(self) -> bool:
        """Whether a field holds ids; keys often repeat from tar to tar."""
        return bool(self.layout[1].data.columns.id)

    @property
    def salt_digest(self) -> None:
        """Not known: another program may have written pseudonyms."""

    def rows(self) -> Iterator[SourceRow]:
        """The samples that the filter leaves."""
        _ = self.layout  # before workers get a copy
        for tar, sample in self._samples():
            yield SourceRow(f"{tar}, sample {sample.key}", TarRow(str(tar), sample))

    def sample(self, row: SourceRow) -> Sample:
        """The sample."""
        tar, (key, places) = row.content
        return self.layout[1].decode(key, _members(tar, places), self.counts)

    def fingerprint(self) -> str:
        """Of the tars and the arguments."""
        return f"{stamps(*self.tars)} {self.reading!r} {self.layout!r}"

    def notes(self, counts: Counter[str]) -> list[str]:
        """What the columns were taken for, and what became of images."""
        name, record = self.layout
        return [f"columns ({name}): {told(record.data)}", *self._passed_over(), *self._several(), *told_counts(counts)]

    def _passed_over(self) -> list[str]:
        """How many members are images beside those of their sample, such as masks."""
        found = [
            f"{sample.key}.{name}"
            for _, sample in self._samples()
            for name in sample.members
            if name.rpartition(".")[2] in ENDINGS and name not in images_of(sample.members)
        ]
        told = f"images beside that of their sample, such as masks, are not taken: {len(found):,}, such as "
        return [f"{told}{found[0]!r}"] if found else []

    def _several(self) -> list[str]:
        """How many samples have several images that are not numbered: they may be meant as several, or as masks."""
        found = [(sample.key, images_of(sample.members)) for _, sample in self._samples()]
        named = [(key, parts) for key, parts in found if len(parts) > 1 and not _are_numbered(parts)]
        if not named:
            return []
        key, parts = named[0]
        shown = f"{key!r} with {', '.join(parts[:4])}"
        return [
            "samples of several images, as members that are called alike up to the first dot are one sample: "
            f"{len(named):,}, such as {shown}"
        ]

    def total(self) -> int:
        """Number of samples."""
        return sum(1 for _ in self._samples())

    def _samples(self) -> Iterator[tuple[Path, TarSample]]:
        """The tar and the members of each sample that the filter leaves, and of those whose texts cannot be read."""
        wanted = self.reading.data.filter if self.reading.data else {}
        for tar, sample in self._all():
            cells = _cells(tar, sample) if wanted else {}
            if isinstance(cells, RowError) or passes(cells, wanted):
                yield tar, sample

    def _all(self) -> Iterator[tuple[Path, TarSample]]:
        for tar in self.tars:
            texts: list[str] = []
            with open(tar, "rb") as stream:
                try:
                    found = tar_samples(stream, lambda name, texts=texts: self._split(name, texts))  # type: ignore[misc]
                    _check_dots(found, texts)
                except (TarLayoutError, TableError) as error:
                    raise TableError(f"{tar}: {error}") from error
            if not found:
                raise TableError(f"{tar}: holds no samples of images, json, txt and cls")
            yield from ((tar, sample) for sample in found)

    def _split(self, name: str, texts: list[str]) -> tuple[str, str] | None:
        """``split_name``, which also notes members such as ``a.b.json``, that are no part of a sample."""
        found = split_name(name, rewrites=self.keep is stored_image)
        if found is None and name.rpartition(".")[2].lower() in _TEXTS:
            texts.append(name)
        return found


def _are_numbered(images: Sequence[str]) -> bool:
    """Whether they differ in their numbers alone: ``0.png`` and ``1.png``, ``image_1.jpg`` and ``image_2.jpg``."""
    words, numbers = zip(*map(numbered, images), strict=True)
    return all(numbers) and len(set(words)) == 1


def _check_dots(samples: Sequence[TarSample], texts: Sequence[str]) -> None:
    """Refuse keys with dots, as of DICOM identifiers: WebDataset ends a key at the first, and would join samples.

    ``1.2.840.png`` would be an image of sample ``1``, as ``1.2.841.png``. Images with a name of one word or number,
    ``a.left.png`` and ``a.right.png``, are those of one sample, unless each has texts of its own. What stands beside
    an image without such a name is not taken (``images_of``), and may have any.

    Raises:
        TableError: a key has a dot.
    """
    images = {f"{one.key}.{name.rpartition('.')[0]}" for one in samples for name in one.members if "." in name}
    taken = {f"{one.key}.{name.rpartition('.')[0]}" for one in samples for name in images_of(one.members)}
    dotted = [name for name in taken if name.rpartition("/")[2].count(".") > 1]
    joined = [name for name in map(_stem, texts) if name in images]
    for name in (*sorted(dotted)[:1], *joined[:1]):
        folder, slash, file = name.rpartition("/")
        raise TableError(
            f"sample {name!r}: has a dot in its key, which WebDataset ends at the first dot, so that every "
            f"{folder}{slash}{file.partition('.')[0]}.* would be one sample; pack the tar again with keys without dots "
            f"({file.replace('.', '_')})"
        )


def _stem(name: str) -> str:
    """A member without its type, with the key as it is and the rest in lower case."""
    folder, slash, file = name.rpartition("/")
    key, _, extension = file.partition(".")
    return f"{folder}{slash}{key}.{extension.lower().rpartition('.')[0]}"


def _check(tar: Path) -> None:
    """Refuse a file that is no tar, or one that is damaged: it would be read as a shorter one.

    Raises:
        TableError: it is.
    """
    with open(tar, "rb") as stream:
        start = stream.read(4)
    if kind := next((text for mark, text in _OTHERS if start.startswith(mark)), ""):
        raise TableError(f"{tar}: is {kind}")
    if fault := next(tar_faults(tar), ""):
        raise TableError(f"{tar}: {fault}; fetch it again, or pack it again")


def _cells(tar: Path, sample: TarSample) -> CellRow | RowError:
    """The columns of a sample, for which no image is read, or why it cannot be read."""
    key, members = sample
    places = {name: place for name, place in members.items() if name.rpartition(".")[2] not in ENDINGS}
    try:
        return cells_of(key, _members(str(tar), places))
    except RowError as error:
        return error


def _members(tar: str, places: dict[str, tuple[int, int]]) -> dict[str, bytes]:
    with open(tar, "rb") as stream:
        return {name: os.pread(stream.fileno(), size, start) for name, (start, size) in places.items()}
