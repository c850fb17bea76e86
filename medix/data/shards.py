"""Shards: tars of samples, written with WebDataset and read at random.

WebDataset reads a tar that was cut at a header, or has a damaged header, as a shorter tar without an error. A shard is
therefore compared with its manifest (size, SHA-256, count) before its first sample is used.
"""

import hashlib
import os
import shutil
import tarfile
import tempfile
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import filelock

from medix.data.index import IndexRow, index_path, write_index
from medix.data.manifest import DataStatement, Manifest, ShardEntry
from medix.data.record import RecordError, decode, encode, split_name
from medix.modality import TEXT_ONLY
from medix.types import Sample

_CHUNK = 1 << 20
_VERIFIED: set[tuple[str, int, int, str]] = set()
"""Path, size, modification time and checksum of the shards this process has compared with their manifests."""


class ShardError(ValueError):
    """A shard that is missing, damaged, or not what its manifest says."""


def default_cache() -> Path:
    """Where remote shards are kept unless a folder is given."""
    return Path.home() / ".cache" / "medix" / "shards"


class Shard:
    """One tar, read at random.

    Args:
        manifest: the manifest that lists it.
        entry: its line there.
        cache_dir: where remote shards are kept; None for ``~/.cache/medix/shards``.
    """

    def __init__(self, manifest: Manifest, entry: ShardEntry, cache_dir: Path | None = None) -> None:
        self.manifest = manifest
        self.entry = entry
        self.cache_dir = cache_dir
        self._file: int | None = None
        self._members: list[dict[str, tuple[int, int]]] = []

    def __len__(self) -> int:
        return self.entry.samples

    def __getitem__(self, ordinal: int) -> Sample:
        if not 0 <= ordinal < len(self):
            raise IndexError(f"sample {ordinal} of {self.entry.url}, which holds {len(self)}")
        self.open()
        assert self._file is not None
        members = {name: os.pread(self._file, size, start) for name, (start, size) in self._members[ordinal].items()}
        try:
            sample = decode(members)
        except RecordError as error:
            raise self._error(f"sample {ordinal}", "a sample", str(error)) from error
        if (sample.modality or TEXT_ONLY) != self.manifest.modality:
            raise self._error(f"modality of sample {sample.id!r}", self.manifest.modality, repr(sample.modality))
        return replace(sample, dataset=self.manifest.dataset)

    def __iter__(self) -> Iterator[Sample]:
        return (self[ordinal] for ordinal in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_members": []}

    def open(self) -> None:
        """Fetch if remote, compare with the manifest, and find the members; a second call does nothing.

        Raises:
            ShardError: not what the manifest says.
        """
        if self._file is not None:
            return
        path = self._fetch() if self.entry.is_remote else Path(self.manifest.location(self.entry))
        try:
            self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise self._error("the file", f"{self.entry.bytes} bytes at {path}", error.strerror or "nothing") from error
        try:
            self._verify(path)
            self._members = self._scan()
        except ShardError:
            self.close()
            raise

    @property
    def is_here(self) -> bool:
        """Whether it can be opened without a download: a local file, or a remote shard that was fetched before."""
        return not self.entry.is_remote or self._is_whole(self._cached)

    @property
    def is_open(self) -> bool:
        """Whether its file is open."""
        return self._file is not None

    def close(self) -> None:
        """Close the file and forget where its members are."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._members = None, []

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()

    def _verify(self, path: Path) -> None:
        assert self._file is not None
        status = os.fstat(self._file)
        if status.st_size != self.entry.bytes:
            raise self._error("size", f"{self.entry.bytes} bytes", f"{status.st_size} bytes")
        stamp = (str(path.resolve()), status.st_size, status.st_mtime_ns, self.entry.sha256)
        if stamp in _VERIFIED:
            return
        with open(path, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != self.entry.sha256:
            raise self._error("sha256", self.entry.sha256, found)
        _VERIFIED.add(stamp)

    def _scan(self) -> list[dict[str, tuple[int, int]]]:
        """Start and size of every member of every sample."""
        assert self._file is not None
        index: list[dict[str, tuple[int, int]]] = []
        seen: set[str] = set()
        last = ""
        try:
            with os.fdopen(os.dup(self._file), "rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
                for member in tar:
                    if not member.isreg():
                        raise self._error("members", "plain files", f"{member.name!r} of type {member.type!r}")
                    key, extension = split_name(member.name)
                    if key != last:
                        if key in seen:
                            raise self._error("members", "each sample in one piece", f"key {key} in two places")
                        seen.add(key)
                        index.append({})
                    if extension in index[-1]:
                        raise self._error("members", "each once", f"{member.name!r} twice")
                    index[-1][extension] = (member.offset_data, member.size)
                    last = key
        except RecordError as error:
            raise self._error("members", "images, json and txt under ordinals", str(error)) from error
        except tarfile.TarError as error:
            raise self._error("format", "an uncompressed tar", str(error)) from error
        if len(index) != self.entry.samples:
            raise self._error("samples", str(self.entry.samples), str(len(index)))
        return index

    def _fetch(self) -> Path:
        """Copy a remote shard into the cache, once, even if several processes ask for it."""
        import fsspec

        path = self._cached
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(f"{path}.lock"):
            if self._is_whole(path):
                return path
            with replacing(path) as partial:
                try:
                    with fsspec.open(self.entry.url, "rb") as source, open(partial, "wb") as target:
                        shutil.copyfileobj(source, target, _CHUNK)
                except (OSError, ImportError, ValueError) as error:
                    raise self._error(
                        "the file", f"{self.entry.bytes} bytes", f"{type(error).__name__}: {error}"
                    ) from error
                if partial.stat().st_size != self.entry.bytes:
                    raise self._error("size", f"{self.entry.bytes} bytes", f"{partial.stat().st_size} bytes")
        return path

    @property
    def _cached(self) -> Path:
        return (self.cache_dir or default_cache()) / f"{self.entry.sha256}.tar"

    def _is_whole(self, path: Path) -> bool:
        return path.is_file() and path.stat().st_size == self.entry.bytes

    def _error(self, what: str, expected: str, found: str) -> ShardError:
        where = self.manifest.location(self.entry)
        return ShardError(
            f"shard {where} does not match manifest {self.manifest.path}: {what}: expected {expected}, found {found}. "
            "Fetch or build the shard again; `python -m medix shards verify` lists every damaged one"
        )


class OpenShards:
    """The shards of several manifests, the last few of them held open.

    Args:
        manifests: whose shards, in order.
        limit: how many stay open.
        cache_dir: where remote shards are kept.
    """

    def __init__(self, manifests: Iterable[Manifest], limit: int, cache_dir: Path | None = None) -> None:
        self.shards = [Shard(manifest, entry, cache_dir) for manifest in manifests for entry in manifest.shards]
        self.limit = limit
        self._open: OrderedDict[int, Shard] = OrderedDict()

    def __len__(self) -> int:
        return len(self.shards)

    def read(self, shard: int, ordinal: int) -> Sample:
        """One sample; opens its shard and closes the one longest unused if there are too many."""
        sample = self.shards[shard][ordinal]
        self._open[shard] = self.shards[shard]
        self._open.move_to_end(shard)
        while len(self._open) > self.limit:
            self._open.popitem(last=False)[1].close()
        return sample


@dataclass
class ShardWriter:
    """Writes the samples of one modality as shards into a folder.

    Equal samples in equal order give equal bytes. ``index`` holds the rows of every finished shard by its SHA-256.

    Args:
        folder: where shards go; it exists.
        name: of the data set, the beginning of every file name.
        modality: of every sample, or ``TEXT_ONLY``.
        samples_per_shard: number of samples after which a new shard is begun.
        bytes_per_shard: bytes of images and texts after which a new shard is begun.
    """

    folder: Path
    name: str
    modality: str
    samples_per_shard: int = 1000
    bytes_per_shard: int = 1 << 30

    def __post_init__(self) -> None:
        if self.samples_per_shard < 1:
            raise ValueError(f"samples_per_shard: {self.samples_per_shard}; give 1 or more")
        self.index: list[tuple[str, tuple[IndexRow, ...]]] = []
        self._entries: list[ShardEntry] = []
        self._ordinal = 0
        self._pending: list[IndexRow] = []
        self._payload = 0
        self._stream: Any = None
        self._tar: Any = None

    def write(self, sample: Sample) -> None:
        """Add one sample."""
        if (sample.modality or TEXT_ONLY) != self.modality:
            raise ValueError(f"sample {sample.id!r} is {sample.modality}, the shard {self.modality}; write it apart")
        if self._tar is None:
            self._stream = open(self._path, "wb")  # noqa: SIM115  (closed when the shard is full)
            import webdataset  # brings torch along, which readers of shards do without

            # USTAR with fixed owner, mode and time: the bytes depend on the samples alone.
            self._tar = webdataset.TarWriter(self._stream, user="medix", group="medix", mtime=0, encoder=False)
        self._payload += self._tar.write(encode(sample, self._ordinal))
        self._ordinal += 1
        self._pending.append(IndexRow.of(sample))
        if len(self._pending) >= self.samples_per_shard or self._payload >= self.bytes_per_shard:
            self._finish()

    def close(self) -> tuple[ShardEntry, ...]:
        """Finish the last shard and return all of them."""
        if self._tar is not None:
            self._finish()
        return tuple(self._entries)

    @property
    def _path(self) -> Path:
        return self.folder / f"{self.name}-{self.modality.lower()}-{len(self._entries):06d}.tar"

    def _finish(self) -> None:
        self._tar.close()
        self._stream.close()
        with open(self._path, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        self._entries.append(ShardEntry(self._path.name, digest, self._path.stat().st_size, len(self._pending)))
        self.index.append((digest, tuple(self._pending)))
        self._tar = self._stream = None
        self._pending, self._payload = [], 0


def write_shards(
    samples: Iterable[Sample],
    folder: str | Path,
    statement: DataStatement,
    samples_per_shard: int = 1000,
    skipped_rows: Callable[[], int] = int,
    manifest_folder: str | Path | None = None,
) -> tuple[Manifest, ...]:
    """Write samples as shards, one manifest and index per modality: all of them or nothing.

    Args:
        samples: what to write, ids differing; an exception from it leaves ``folder`` as it was. Their ``dataset`` is
            not written: it is that of the statement.
        folder: made if missing; must not hold shards of the same name.
        statement: name, data set, licence and de-identification.
        samples_per_shard: samples at most.
        skipped_rows: called at the end; returns how many rows of the input were skipped.
        manifest_folder: where manifests go; None puts them beside the shards.

    Raises:
        ValueError: no samples, two samples of one id, or files that would be overwritten.
    """
    folder, lists = Path(folder), Path(manifest_folder or folder)
    _refuse_to_overwrite(statement.name, folder, lists)
    # Shards move into place first: a reader that finds a manifest finds all of its shards.
    with staging_folder(lists) as staged_lists, staging_folder(folder) as staging:
        writers: dict[str, ShardWriter] = {}
        seen: set[str] = set()
        try:
            for sample in samples:
                if sample.id in seen:
                    raise ValueError(f"{statement.name}: two samples have the id {sample.id!r}; make ids differ")
                seen.add(sample.id)
                modality = sample.modality or TEXT_ONLY
                if modality not in writers:
                    writers[modality] = ShardWriter(staging, statement.name, modality, samples_per_shard)
                writers[modality].write(sample)
        finally:
            shards = {modality: writer.close() for modality, writer in sorted(writers.items())}
        if not shards:
            raise ValueError(f"{statement.name}: there are no samples to write; check the input")
        manifests = []
        for modality, entries in shards.items():
            path = lists / f"{statement.name}-{modality.lower()}.yaml"
            entries = tuple(replace(entry, url=_beside(path, folder / entry.url)) for entry in entries)
            manifest = Manifest(
                name=statement.name,
                modality=modality,
                licence=statement.licence,
                deidentification=statement.deidentification,
                shards=entries,
                source=statement.source,
                modalities=statement.modalities,
                skipped_rows=skipped_rows(),
                path=path,
                dataset=statement.dataset,
            )
            write_index(index_path(staged_lists / path.name), writers[modality].index)
            manifest.write(staged_lists / path.name)
            manifests.append(manifest)
    return tuple(manifests)


def _refuse_to_overwrite(name: str, *folders: Path) -> None:
    for place in folders:
        if any(place.glob(f"{name}-*")):
            raise ValueError(f"{place} already holds {name}-*; remove these files or choose another name")


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder beside the target whose files move there at the end, or vanish with an exception."""
    created = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    try:
        yield staging
        for file in sorted(staging.iterdir()):
            os.replace(file, folder / file.name)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        for parent in created:
            if not any(parent.iterdir()):
                parent.rmdir()
        raise
    shutil.rmtree(staging)


def _beside(manifest: Path, shard: Path) -> str:
    """The path of a shard relative to its manifest, the same on every system."""
    return Path(os.path.relpath(shard, manifest.parent)).as_posix()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of ``path`` at the end, or vanishes with an exception."""
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
