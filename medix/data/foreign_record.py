"""Samples in tars that another program has written, which a manifest lists as they are.

The manifest's ``layout`` says what the parts of a sample mean, by the keys of ``medix.data.sources.table_schema``. The
columns are the fields of the ``json`` member, ``txt`` and ``cls`` with the text of these members, ``key``, and
``image`` with the images, in the order of ``images_of``.
"""

import json
import string
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from medix.data.manifest import Manifest, ManifestError
from medix.data.picture import ENDINGS
from medix.data.record import read_json
from medix.data.sources.source import RowError
from medix.data.sources.stored_image import Keep, unread_image
from medix.data.sources.table_file import TableError
from medix.data.sources.table_images import ImageFiles
from medix.data.sources.table_sample import CellRow, TableSample
from medix.data.sources.table_schema import TableData, table_data
from medix.modality import ModalitySet
from medix.types import Sample

IMAGES = ("jpg", "jpeg", "png")
"""What is an image as it is: ``jpg``, ``0.jpg``, ``left.png``."""

_REWRITTEN = frozenset(ENDINGS) - {*IMAGES}
_UNREAD = (
    {"dcm": "--from dicom reads it", "dicom": "--from dicom reads it"}
    | dict.fromkeys(("heic", "heif", "svg"), "convert it to PNG or JPEG, and pack the tar again")
    | dict.fromkeys(
        ("avi", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "nii", "nrrd", "webm", "wmv"),
        "take images out of it, as PNG or JPEG, and pack the tar with these in its place",
    )
)
"""Other images, videos and volumes, and how they can be used."""
_TEXTS = ("txt", "cls")
_OF_PLACE = frozenset({"hub", "config", "revision", "split", "local", "filter"})
"""Keys of a schema that say where rows are and which of them are read; the tars are all that a manifest lists."""
_OF_FILES = ("image_folder", "image_archive", "image_suffix")


def split_name(name: str, *, rewrites: bool = False) -> tuple[str, str] | None:
    """Key and extension as WebDataset has them: the path up to the first dot of the file name, and what follows.

    None for members that are no part of a sample: other types than images, ``json``, ``txt`` and ``cls``, of which none
    is decoded, and hidden files.

    Args:
        name: of the member.
        rewrites: whether images are stored anew, so that every format of ``medix.data.picture`` will do.

    Raises:
        TableError: an image is of a type that shards do not hold, or that cannot be read.
    """
    folder, slash, file = name.rpartition("/")
    key, _, extension = file.partition(".")
    extension = extension.lower()
    kind = extension.rpartition(".")[2]
    if not key or not extension or (key.startswith("__") and key.endswith("__")):
        return None
    if remedy := _UNREAD.get(extension.removesuffix(".gz").rpartition(".")[2]):
        raise TableError(f"member {name!r} is of a type that is not read from tars; {remedy}")
    if kind in _REWRITTEN and not rewrites:
        raise TableError(f"member {name!r} is an image that shards do not hold as it is; build with --rewrite")
    if kind not in ENDINGS and extension not in ("json", *_TEXTS):
        return None
    return f"{folder}{slash}{key}", extension


def images_of(names: Iterable[str]) -> list[str]:
    """Which members of a sample are its images, by their extensions and in order.

    Those that are an image as they are, ``jpg``; the others are then masks and the like, ``mask.jpg``. Where there is
    none, all with a name of their own: ``0.jpg``, ``left.png``. They stand as in the tar, but numbers ascend: a
    tar that is packed sorted has 10 before 2.

    Args:
        names: of the members, in the order of the tar.
    """
    images = [name for name in names if name.rpartition(".")[2] in ENDINGS]
    images = [name for name in images if "." not in name] or images
    words = [numbered(name)[0] for name in images]
    found: dict[str, list[str]] = {word: [] for word in words}
    for word, name in zip(words, images, strict=True):
        found[word].append(name)
    ascending = {word: iter(sorted(alike, key=_by_number)) for word, alike in found.items()}
    return [next(ascending[word]) for word in words]  # images of several words keep their places: l1, r1, l2, r2


def numbered(name: str) -> tuple[str, str]:
    """Word and digits of the extension of an image: ``image_`` and ``02`` of ``image_02.jpg``; no digits: empty."""
    stem = name.rpartition(".")[0]
    word = stem.rstrip(string.digits)
    return word, stem[len(word) :]


def _by_number(name: str) -> tuple[int, str]:
    number = numbered(name)[1].lstrip("0")
    return len(number), number  # a member may have more digits than int() takes


@dataclass(frozen=True)
class ForeignRecord:
    """Reads the samples of a layout.

    Args:
        data: what the columns mean.
        question: asked where no column holds a question.
        modalities: the valid tags.
        keep: what becomes of images.
        keeps_columns: whether columns without a meaning become metadata.

    Raises:
        TableError: the schema says where files of images are.
    """

    data: TableData
    modalities: tuple[str, ...]
    question: str = ""
    keep: Keep = unread_image
    keeps_columns: bool = False

    def __post_init__(self) -> None:
        for key in _OF_FILES:
            if value := getattr(self.data, key):
                raise TableError(
                    f"{key}: {value!r} is about files of images, and those of tars are members; leave it out, and name "
                    "the column of these (columns: {images: [image]})"
                )

    @property
    def layout(self) -> dict[str, Any]:
        """What a manifest states: all that the schema says of a row."""
        meant = {key: value for key, value in asdict(self.data).items() if key not in _OF_PLACE}
        meant["columns"] = {key: value for key, value in meant["columns"].items() if value}
        return {key: value for key, value in {"question": self.question, **meant}.items() if value}

    def decode(self, key: str, members: Mapping[str, bytes], counts: Counter[str] | None = None) -> Sample:
        """The sample of members by extension.

        Raises:
            RowError: a member cannot be read, or the sample lacks what it should have.
        """
        cells = cells_of(key, members)
        return self._made.of(key, cells, self._files, Counter() if counts is None else counts)

    @cached_property
    def _made(self) -> TableSample:
        modalities = ModalitySet(self.modalities)
        return TableSample(self.data, modalities, self.question, keeps_columns=self.keeps_columns, keep=self.keep)

    @cached_property
    def _files(self) -> ImageFiles:
        return ImageFiles(self.data, Path(), ExitStack(), None, Path("/nonexistent"))


def foreign_record(manifest: Manifest) -> ForeignRecord | None:
    """What reads the samples of a manifest; None for tars of medix.

    Raises:
        ManifestError: its layout is none.
    """
    if not manifest.layout:
        return None
    try:
        return _record(json.dumps(dict(manifest.layout)), manifest.modalities)
    except ValueError as error:
        raise ManifestError(f"{manifest.path}: layout: {error}") from error


@lru_cache(maxsize=64)
def _record(layout: str, modalities: tuple[str, ...]) -> ForeignRecord:
    meant = json.loads(layout)
    question, data = str(meant.pop("question", "")), table_data(meant)
    if data.filter:
        raise ValueError(f"filter: {data.filter} leaves samples out, and a manifest lists all of a tar; leave it out")
    return ForeignRecord(data, modalities, question)


def cells_of(key: str, members: Mapping[str, bytes]) -> CellRow:
    """The columns of a sample.

    Raises:
        RowError: a text is not UTF-8, or ``json`` holds no object.
    """
    try:
        texts = {name: members[name].decode("utf-8-sig").strip() for name in _TEXTS if name in members}
        fields = read_json(members["json"]) if "json" in members else {}
    except UnicodeDecodeError as error:
        raise RowError(key, error.object[:80], f"is not UTF-8 ({error.reason})", "encoding") from error
    except ValueError as error:
        raise RowError(f"{key}.json", members["json"][:80], f"cannot be read ({error})", "json") from error
    if not isinstance(fields, dict):
        raise RowError(f"{key}.json", fields, "is no object; write one object of names and values", "json")
    images = [members[name] for name in images_of(members)]
    return fields | texts | {"key": key, "image": images or None}
