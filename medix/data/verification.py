"""Whether shards, manifests and indexes are as they say of each other."""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from medix.data.download import DownloadError
from medix.data.index import REMEDY, IndexRow, ManifestIndex, index_path
from medix.data.manifest import Manifest, ManifestError, ShardEntry, read_manifests
from medix.data.picture import PictureError, open_picture
from medix.data.shard_cache import Advance, ShardCache
from medix.data.shards import Shard, ShardError
from medix.data.tar_walk import tar_faults
from medix.types import Sample, SampleKey

_SHOWN = 3


class Verification:
    """Reads every shard of several manifests and collects what is wrong; of remote ones, what their addresses hold.

    Of a shard: that it is missing, of another size or checksum (cut or changed bytes), has damaged headers, members
    whose names or keys repeat, another number of samples, samples that cannot be read or that the index describes
    otherwise. Of all of them: ids that stand twice in a data set, a shard that is listed twice, an index without its
    manifest, with lines of other shards or without lines of some, and files beside the shards that no manifest lists
    (of tars, only where a build has written the shards at or below its manifest).

    Args:
        manifests: the manifests.
        opens_images: whether every image is decoded too, as training does.
        cache: holds remote shards; the default one if None.

    Attributes:
        damaged: number of shards with a fault.
        without_index: manifests that have no index, which is no fault.
    """

    def __init__(
        self, manifests: Sequence[Manifest], *, opens_images: bool = False, cache: ShardCache | None = None
    ) -> None:
        self.manifests = tuple(manifests)
        self.opens_images = opens_images
        self.cache = cache or ShardCache()
        self.damaged = 0
        self._owners: dict[SampleKey, str] = {}
        self._repeated: dict[tuple[str, str, str], list[str]] = {}
        self._indexes: dict[Path, ManifestIndex | None] = {}
        self.without_index = [one for one in self.manifests if not index_path(one.path).exists()]

    def shard(self, manifest: Manifest, entry: ShardEntry, advance: Advance = lambda _: None) -> list[str]:
        """Read one shard; what is wrong with it, in sentences.

        Args:
            manifest: that lists it.
            entry: its entry.
            advance: is told the bytes that were read.
        """
        shard = Shard(manifest, entry, self.cache, trusts_stamps=False)
        try:
            faults = self._address_faults(shard, advance) if entry.is_remote else []
            if not faults or shard.is_local:
                faults += self._faults(shard)
        finally:
            shard.close()
        if not entry.is_remote:
            advance(entry.bytes)
        self.damaged += bool(faults)
        return faults

    def others(self) -> Iterator[str]:
        """What is wrong beside the shards, after all of them were read."""
        yield from self._repeated_ids()
        yield from self._listed_twice()
        for manifest in self.manifests:
            yield from self._index_faults(manifest)
        yield from _unlisted(self.manifests)

    def _address_faults(self, shard: Shard, advance: Advance) -> list[str]:
        """What is wrong with the address of a remote shard: a copy in the cache does not say what is there today."""
        try:
            if shard.is_local:
                self.cache.compare(shard.entry, advance)
                return []
            self.cache.fetch(shard.entry, advance=advance)
        except DownloadError as error:
            has_copy = f"; a copy is in {self.cache.path(shard.entry)}, on this machine only" if shard.is_local else ""
            return [f"{shard.not_fetched(error)}{has_copy}"]
        return []

    def _faults(self, shard: Shard) -> list[str]:
        """What is wrong with the file of a shard; that of a remote one has the bytes that its address holds."""
        where = shard.manifest.shown_location(shard.entry)
        try:
            shard.open()
        except ShardError as error:
            return [str(error), *(f"{where}: {fault}" for fault in _walked(shard.path))]
        faults = [f"shard {where}: {fault}; build the shard again" for fault in _walked(shard.path)]
        found: list[IndexRow | None] = []
        unread: list[str] = []
        for ordinal in range(len(shard)):
            try:
                sample = shard[ordinal]
            except ShardError as error:
                unread.append(str(error))
                found.append(None)
                continue
            if self.opens_images:
                unread += [f"shard {where}, {fault}" for fault in _unopened(sample)]
            found.append(IndexRow.of(sample))
            self._note(sample.key, str(shard.manifest.path))
        faults += unread[:_SHOWN]
        if len(unread) > _SHOWN:
            what = "samples or images" if self.opens_images else "samples"
            faults.append(f"shard {where}: {len(unread) - _SHOWN:,} further {what} cannot be read")
        return faults + self._index_differences(shard, found)

    def _note(self, key: SampleKey, name: str) -> None:
        if (owner := self._owners.get(key)) is not None:
            self._repeated.setdefault((key[0], owner, name), []).append(key[1])
        self._owners.setdefault(key, name)

    def _index_differences(self, shard: Shard, found: Sequence[IndexRow | None]) -> list[str]:
        """How the samples of a shard differ from what the index says of them."""
        path = index_path(shard.manifest.path)
        try:
            index = self._index(shard.manifest)
            rows = None if index is None else index.rows(shard.entry)
        except ManifestError as error:
            return [str(error)]
        if rows is None:
            return []
        for row, sample in zip(rows, found, strict=True):
            if sample is None:
                continue
            # an index from before references or sources were in it says nothing of them
            source = None if row.source is None else sample.source
            if row == sample._replace(reference=row.reference and sample.reference, source=source):
                continue
            field = next(name for name in IndexRow._fields if getattr(row, name) != getattr(sample, name))
            return [
                f"{path}: {field} of sample {sample.id!r} in {shard.entry.shown} is not that of the shard; {REMEDY}"
            ]
        return []

    def _index(self, manifest: Manifest) -> ManifestIndex | None:
        if manifest.path not in self._indexes:
            self._indexes[manifest.path] = ManifestIndex(manifest) if index_path(manifest.path).exists() else None
        return self._indexes[manifest.path]

    def _index_faults(self, manifest: Manifest) -> Iterator[str]:
        try:
            index = self._index(manifest)
        except ManifestError as error:
            yield str(error)
            return
        if index is None:
            return
        listed = {entry.sha256 for entry in manifest.shards}
        for what, shards in (("no line of", listed - index.shards), ("lines of other", index.shards - listed)):
            if shards:
                yield f"{index.path}: has {what} {len(shards)} shard{'' if len(shards) == 1 else 's'}; {REMEDY}"

    def _repeated_ids(self) -> Iterator[str]:
        for (dataset, first, second), ids in self._repeated.items():
            names = f"{', '.join(map(repr, ids[:_SHOWN]))}{', …' if len(ids) > _SHOWN else ''}"
            where = f"twice in {first}" if first == second else f"both in {first} and in {second}"
            yield (
                f"{len(ids):,} ids of data set {dataset!r} are {where}: {names}; make ids differ, or give manifests of "
                "other data another `dataset`"
            )

    def _listed_twice(self) -> Iterator[str]:
        counts = Counter(entry.sha256 for manifest in self.manifests for entry in manifest.shards)
        for sha256, count in counts.items():
            if count > 1:
                names = [
                    f"{entry.shown} of {manifest.path}"
                    for manifest in self.manifests
                    for entry in manifest.shards
                    if entry.sha256 == sha256
                ]
                yield f"the same shard is listed {count} times: {', '.join(names[:_SHOWN])}; list it once"


def _unopened(sample: Sample) -> Iterator[str]:
    """The images of a sample that cannot be decoded."""
    for number, image in enumerate(sample.images, start=1):
        try:
            open_picture(image)
        except PictureError as error:
            yield f"sample {sample.id!r}, image {number} of {len(sample.images)}: {error}; replace it and build again"


def _walked(path: Path) -> list[str]:
    """Faults in the structure of a tar; none if the file is not there."""
    try:
        return list(tar_faults(path))
    except OSError:
        return []


def _unlisted(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Files in the folders of manifests and shards that no manifest there lists.

    Of tars, only those in a folder at or below the manifest of shards in it that medix has written. Elsewhere others
    may list them, or nobody: beside tars that were there before (``layout``), and in a folder of shards for which
    several builds have their manifests in other folders.
    """
    folders = {os.path.realpath(manifest.path.parent): None for manifest in manifests}
    listed: set[str] = set()
    owned: set[str] = set()
    for manifest in [*manifests, *_manifests_in(folders)]:
        paths = [os.path.realpath(manifest.location(entry)) for entry in manifest.shards if not entry.is_remote]
        listed.update(paths)
        if manifest in manifests:
            of_shards = dict.fromkeys(map(os.path.dirname, paths))
            folders |= of_shards
            home = Path(os.path.realpath(manifest.path.parent))
            owned |= {one for one in of_shards if not manifest.layout and Path(one).is_relative_to(home)}
    for manifest in _manifests_in(folders):  # those that lie beside the shards
        listed |= {os.path.realpath(manifest.location(entry)) for entry in manifest.shards if not entry.is_remote}
    for folder in folders:
        if not os.path.isdir(folder):
            continue
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if name.startswith((".partial-", ".building-")):
                yield f"{path}: is left of a build that was interrupted; run that again, or remove it"
            elif name.lower().endswith(".tar") and folder in owned and os.path.realpath(path) not in listed:
                yield (
                    f"{path}: no manifest given or in the folders of these shards lists it; give the one that does, "
                    "list it, or remove it"
                )
            elif name.endswith(".index.jsonl") and not os.path.exists(path.removesuffix(".index.jsonl") + ".yaml"):
                yield f"{path}: is an index without its manifest; remove it, or restore the manifest"


def _manifests_in(folders: dict[str, None]) -> list[Manifest]:
    """The manifests in folders; other YAML files are passed over."""
    found: list[Manifest] = []
    for folder in folders:
        for path in sorted(Path(folder).glob("*.yaml")):
            try:
                found += read_manifests([path])
            except ManifestError:
                continue
    return found
