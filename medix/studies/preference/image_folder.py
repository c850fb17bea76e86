"""Finds the images that files of completions name, in a folder of images and shards, and encodes them for a browser."""

import io
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from medix.data.picture import ENDINGS, PictureError, PictureReader
from medix.data.tar_samples import TarLayoutError, tar_samples
from medix.studies.preference.model_answers import NamedImage
from medix.types import image_id

_ENDINGS = tuple(f".{ending}" for ending in ENDINGS)
_READER = PictureReader()


@dataclass(frozen=True)
class ImageFolder:
    """A folder with images, and with tars of images, at any depth.

    An image with a hash is found by its hash, whatever its name, so that raters see the bytes that the models saw.
    One without is found by its path below the folder.

    Args:
        folder: the folder.
    """

    folder: Path

    def __post_init__(self) -> None:
        if not self.folder.is_dir():
            raise ValueError(f"--images {self.folder}: is no folder; give the folder with the images, or the shards")

    def find(self, images: Iterable[NamedImage]) -> dict[NamedImage, bytes]:
        """The encoded bytes of each image; those that are not there are left out."""
        wanted: dict[str, list[NamedImage]] = {}
        found: dict[NamedImage, bytes] = {}
        for image in images:
            if image.digest:
                wanted.setdefault(image.digest, []).append(image)
            elif (data := self._named(image.name)) is not None:
                found[image] = data
        for data in self._contents(wanted):
            if not wanted:
                break
            for image in wanted.pop(image_id(data), ()):
                found[image] = data
        return found

    def _named(self, name: str) -> bytes | None:
        """A file by its path; one outside of the folder is not read."""
        path = self.folder / name
        inside = path.resolve().is_relative_to(self.folder.resolve())
        return path.read_bytes() if inside and path.is_file() else None

    def _contents(self, wanted: Mapping[str, list[NamedImage]]) -> Iterator[bytes]:
        """All images, of the files first that are named."""
        parts = {part for ones in wanted.values() for image in ones for part in PurePosixPath(image.name).parts}
        paths = (Path(where, name) for where, _, names in os.walk(self.folder) for name in names)
        for path in sorted(paths, key=lambda path: (path.name not in parts, path)):
            if not wanted:
                return
            if path.suffix.lower() in _ENDINGS and path.is_file():
                yield path.read_bytes()
            elif path.suffix.lower() == ".tar":
                yield from _members(path)


def _members(path: Path) -> Iterator[bytes]:
    def kept(name: str) -> tuple[str, str] | None:
        return (name, "") if name.lower().endswith(_ENDINGS) else None

    with path.open("rb") as stream:
        try:
            members = tar_samples(stream, kept)
        except TarLayoutError as error:
            raise ValueError(f"{path}: {error}; repair the tar, or name a folder without it by --images") from error
        for member in members:
            offset, size = member.members[""]
            stream.seek(offset)
            yield stream.read(size)


def for_browser(image: bytes) -> bytes:
    """The image as a PNG of eight bits that any browser shows, upright and without metadata.

    Raises:
        PictureError: it cannot be decoded.
    """
    stream = io.BytesIO()
    _READER.read(image).save(stream, "PNG")
    return stream.getvalue()


def browser_images(folder: Path | None, images: Iterable[NamedImage]) -> tuple[dict[NamedImage, bytes], dict[str, str]]:
    """Images for a browser, and why others are missing, by the name of the image.

    Args:
        folder: where they are; None if no folder is given.
        images: as the files name them.
    """
    named = list(dict.fromkeys(images))
    raw = ImageFolder(folder).find(named) if folder is not None else {}
    shown: dict[NamedImage, bytes] = {}
    missing: dict[str, str] = {}
    for image in named:
        label = image.name or image.digest
        if image not in raw:
            missing[label] = "is not there"
            continue
        try:
            shown[image] = for_browser(raw[image])
        except PictureError as error:
            missing[label] = str(error)
    return shown, missing
