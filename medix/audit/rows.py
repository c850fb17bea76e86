"""The samples that are audited, without their images, which are in a table of their own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from medix.audit.picture_table import PictureTable, StoredImage
from medix.data.manifest import Manifest
from medix.data.shards import Shard
from medix.modality import TEXT_ONLY
from medix.types import Sample


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One sample.

    Attributes:
        sample: without images.
        split: name of the part of the data that it is in (see ``split_names``).
        is_against: whether it only serves to be compared with.
        pictures: numbers of its images in the table.
        manifest: that lists its shard.
    """

    sample: Sample
    split: str
    is_against: bool
    pictures: tuple[int, ...]
    manifest: Manifest

    @property
    def modality(self) -> str:
        """Its modality, or ``TEXT_ONLY``."""
        return self.sample.modality or TEXT_ONLY

    @property
    def name(self) -> str:
        """How it is called in lists: split and id."""
        return f"{self.split}: {self.sample.id}"


def split_names(manifests: Sequence[Manifest]) -> list[str]:
    """What the split of each manifest is called: its ``name``, with the folder if it is that of builds in several."""
    folders: dict[str, set[Path]] = {}
    for manifest in manifests:
        folders.setdefault(manifest.name, set()).add(manifest.path.parent.resolve())
    return [one.name if len(folders[one.name]) == 1 else f"{one.name} ({one.path.parent})" for one in manifests]


def read_rows(
    manifests: Sequence[Manifest],
    pictures: PictureTable,
    *,
    is_against: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> Iterator[AuditRow]:
    """Read every sample of the manifests.

    Args:
        manifests: the manifests.
        pictures: takes the images.
        is_against: of the rows.
        advance: is told each sample.

    Raises:
        ShardError: a shard is not what its manifest says.
    """
    for manifest, split in zip(manifests, split_names(manifests), strict=True):
        for entry in manifest.shards:
            shard = Shard(manifest, entry)
            with closing(shard):
                for ordinal, sample in enumerate(shard):
                    numbers = tuple(
                        pictures.add(image, StoredImage(shard, ordinal, number))
                        for number, image in enumerate(sample.images)
                    )
                    yield AuditRow(replace(sample, images=()), split, is_against, numbers, manifest)
                    advance(1)
