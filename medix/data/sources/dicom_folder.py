"""The DICOM files below a folder, by what their headers say."""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medix.data.sources.dicom_burned_in import NOBODY_LOOKED, BurnedInText
from medix.data.sources.dicom_file import check_image, read_header
from medix.data.sources.dicom_header import DicomHeader
from medix.data.sources.dicom_metadata import stated_answer
from medix.data.sources.dicom_modality import DicomModality
from medix.data.sources.dicom_series import Orientations, Slot
from medix.data.sources.source import RowError

_UID = re.compile(r"[0-9]+(?:\.[0-9]+)+")


@dataclass(frozen=True, slots=True)
class DicomEntry:
    """One file.

    Attributes:
        path: relative to the root.
        slot: where it belongs in its series; None for a file that becomes no image.
        series: SeriesInstanceUID; empty if unknown.
        image: SOPInstanceUID; empty if unknown.
        fault: why it becomes no image.
        patient: whose image it is, as ``DicomHeader.patient``; not shown.
        answer: what the header states of the field that answers are taken from.
    """

    path: str
    slot: Slot | None = None
    series: str = ""
    image: str = ""
    fault: RowError | None = None
    patient: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    answer: str = ""

    @property
    def lacks_image(self) -> bool:
        """Whether the file is an image of a series that is faulty, or whose text is burned in."""
        return self.fault is not None and bool(self.series) and (not self.fault.refused or _is_burned_in(self.fault))


@dataclass
class DicomFolder:
    """Reads headers below a folder, each once.

    Nothing outside of it is read: names that lead out, and links that do, are refused. Links to folders are not
    followed.

    Args:
        root: the folder.
        burned_in: decides which images may be used.
        modality: of every image; None takes what the header says.
        answer: the field that answers are taken from (``stated_answer``).

    Raises:
        ValueError: it is no folder.
    """

    root: Path
    burned_in: BurnedInText = NOBODY_LOOKED
    modality: str | None = None
    answer: str = ""
    _known: dict[str, DicomEntry] = field(default_factory=dict, repr=False)
    _series: dict[str, list[DicomEntry]] | None = field(default=None, repr=False)
    _unread: int = field(default=0, repr=False)
    _orientations: Orientations = field(default_factory=Orientations, repr=False)

    def __post_init__(self) -> None:
        if not self.root.is_dir():
            raise ValueError(f"--root {self.root}: is no folder; give the one that holds the DICOM files")

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_known": {}, "_series": None}

    def names(self, below: str = "") -> Iterator[str]:
        """Paths of all files, sorted, relative to the root; names that begin with a dot are left out."""
        top = self.root / below
        found = []
        for folder, folders, files in os.walk(top, followlinks=False):
            links = [name for name in folders if (Path(folder) / name).is_symlink()]
            folders[:] = [name for name in folders if not name.startswith(".")]
            found += [os.path.relpath(Path(folder) / name, self.root) for name in (*files, *links) if name[0] != "."]
        yield from sorted(found)

    def entries(self, below: str = "") -> Iterator[DicomEntry]:
        """All files, in the order of ``names``; of several of the same image the largest counts: a copy may be cut."""
        found = [self.entry(name) for name in self.names(below)]
        kept: dict[str, DicomEntry] = {}
        for entry in found:
            if entry.fault is None and entry.image:
                held = kept.setdefault(entry.image, entry)
                if held is not entry and self._size(entry) > self._size(held):
                    kept[entry.image] = entry
        unread = 0
        for entry in found:
            unread += not entry.series and entry.fault is not None and not entry.fault.refused
            if kept.get(entry.image, entry) is entry or entry.fault is not None:
                yield entry
                continue
            remedy = "it is the same image as another file (SOPInstanceUID), and left out"
            other = kept[entry.image].path
            yield DicomEntry(
                entry.path, fault=RowError("file", entry.path, f"{remedy}: {other!r}", "duplicate", refused=True)
            )
        if not below:
            self._unread = unread

    def entry(self, name: str) -> DicomEntry:
        """One file."""
        if name not in self._known:
            try:
                self._known[name] = self._read(name)
            except RowError as error:
                self._known[name] = DicomEntry(name, fault=error)
        return self._known[name]

    def find(self, name: str) -> list[DicomEntry]:
        """The images that a table means by the name of a file, of a folder, or by a SeriesInstanceUID.

        Raises:
            RowError: there is nothing of that name, it lies outside, there are several series of slices, or one of the
                files is damaged or shows names: without it, another slice would be the middle one.
        """
        path = self.path(name)
        if path.is_dir():
            found = _usable(self.entries(name))
            _check_one_volume(name, found, "folder", "name the files or a SeriesInstanceUID")
            if not found:
                raise RowError("image", name, "the folder holds no image that can be used", "missing")
            return found
        if path.exists():
            return [self.entry(os.path.relpath(path, self.root) if path.is_absolute() else name)]
        if not _UID.fullmatch(name):
            raise RowError("image", name, f"there is no such file in {self.root}; correct the name", "missing")
        found = _usable(self._of_series(name))
        if not found:
            raise RowError("image", name, f"no file of this series in {self.root} can be used", "missing")
        _check_one_volume(name, found, "SeriesInstanceUID", "they differ in orientation or size; name the files")
        return found

    @property
    def unread(self) -> int:
        """Number of files whose SeriesInstanceUID could not be read; 0 before all files are."""
        return self._unread

    def path(self, name: str) -> Path:
        """The path of a name, which does not have to exist.

        Raises:
            RowError: it leads out of the root.
        """
        try:
            path = self.root / name
            path.exists()  # raises for names that are too long
            if path.resolve().is_relative_to(self.root.resolve()):
                return path
        except (ValueError, OSError, RuntimeError) as error:  # a null byte, a name that is too long, links in a circle
            raise RowError("image", name, f"is no path ({error}); correct the name", "missing") from error
        raise RowError("image", name, f"leads out of {self.root}; name files in it", "outside")

    def _of_series(self, uid: str) -> list[DicomEntry]:
        if self._series is None:
            self._series = {}
            for entry in self.entries():
                if entry.series:
                    self._series.setdefault(entry.series, []).append(entry)
        return self._series.get(uid, [])

    def _size(self, entry: DicomEntry) -> int:
        return (self.root / entry.path).stat().st_size

    def _read(self, name: str) -> DicomEntry:
        path = self.path(name)
        if not path.is_file():
            remedy = "is no file, or a link to a folder or to nothing, which is not followed"
            raise RowError("file", name, remedy, "not_a_file", refused=True)
        header = read_header(path)
        series, image = header.uid("SeriesInstanceUID"), header.uid("SOPInstanceUID")
        try:
            own, _ = self.examined(header)
            slot = Slot.of(header, name, self.modality or own.tag, self._orientations)
            answer = stated_answer(header, own.tag, self.answer)
            return DicomEntry(name, slot, series, image, patient=header.patient, answer=answer)
        except RowError as error:
            return DicomEntry(name, None, series, image, error)

    def examined(self, header: DicomHeader) -> tuple[DicomModality, str]:
        """An image's own modality, by its header, and what is known of burned-in text.

        A contradiction is ``OTHER`` where the modality is given.

        Raises:
            RowError: it becomes no image.
        """
        try:
            found = DicomModality.of(header)
        except RowError as error:
            if error.refused or self.modality is None:
                raise
            found = DicomModality("OTHER", "modality")
        check_image(header)
        return found, self.burned_in.check(header, found.tag)


def _usable(entries: Iterable[DicomEntry]) -> list[DicomEntry]:
    """The images among the files of a folder or series; files that are none, such as texts and reports, are left out.

    Raises:
        RowError: the fault of a file that has one, else the refusal of one with burned-in text.
    """
    found, refusal = [], None
    for entry in entries:
        if entry.fault is None:
            found.append(entry)
        elif not entry.fault.refused:
            raise _of_file(entry.path, entry.fault)
        elif _is_burned_in(entry.fault) and refusal is None:
            refusal = _of_file(entry.path, entry.fault)
    if refusal is not None:
        raise refusal
    return found


def _is_burned_in(fault: RowError) -> bool:
    return fault.kind == "burned_in"


def _check_one_volume(name: str, entries: Iterable[DicomEntry], kind: str, remedy: str) -> None:
    stacks = {entry.slot.stack for entry in entries if entry.slot and entry.slot.stack}
    if len(stacks) > 1:
        raise RowError("image", name, f"the {kind} holds {len(stacks)} series of slices; {remedy}", "several_series")


def _of_file(path: str, error: RowError) -> RowError:
    return RowError(error.key, error.value, f"file {path!r}: {error.remedy}", error.kind, error.refused)
