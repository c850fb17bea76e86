"""Shards: tar files of samples, written with WebDataset and read by random access.

WebDataset reads a tar that is truncated at a header, or has a damaged header, as a shorter tar without raising an
error. A shard is therefore verified against its manifest (size, SHA-256, count) before its first sample is used.
"""

import hashlib
import math
import os
import shutil
import tarfile
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medix.atomic_file import naming
from medix.data.index import IndexRow, index_path, write_index
from medix.data.manifest import DataStatement, Manifest, ShardEntry
from medix.data.record import RecordError, decode, encode, split_name
from medix.data.shard_cache import ShardCache
from medix.data.verified import VerifiedFiles
from medix.modality import TEXT_ONLY
from medix.types import Sample

_BAD_SECONDS = 600.0
"""How long a shard that could not be opened is not tried again: it may be a server that is down."""


class ShardError(ValueError):
    """A shard is missing, damaged, or does not match its manifest.

    Attributes:
        shard: where it is.
    """

    def __init__(self, message: str, shard: str = "") -> None:
        super().__init__(message)
        self.shard = shard

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (str(self), self.shard)


class Shard:
    """One tar file with random access to its samples.

    Args:
        manifest: the manifest that lists the shard.
        entry: its entry in the manifest.
        cache: holds downloaded shards, and stamps of verified ones; the default one if None.
        trusts_stamps: False computes the checksum of every file that is opened.
    """

    def __init__(
        self, manifest: Manifest, entry: ShardEntry, cache: ShardCache | None = None, trusts_stamps: bool = True
    ) -> None:
        self.manifest = manifest
        self.entry = entry
        self.cache = cache or ShardCache()
        self.trusts_stamps = trusts_stamps
        self._file: int | None = None
        self._members: list[dict[str, tuple[int, int]]] = []
        self._keys: list[str] = []

    def __len__(self) -> int:
        return self.entry.samples

    def __getitem__(self, ordinal: int) -> Sample:
        if not 0 <= ordinal < len(self):
            raise IndexError(f"sample {ordinal} of {self.entry.url}, which has {len(self)}")
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

    def image_names(self, ordinal: int) -> tuple[str, ...]:
        """Where the images of a sample are stored: the shard and the member, in order."""
        self.open()
        numbered = sorted(
            (int(name.partition(".")[0]), name) for name in self._members[ordinal] if name.partition(".")[0].isdecimal()
        )
        where = self.manifest.location(self.entry)
        where = where if self.entry.is_remote else os.path.normpath(where)
        return tuple(f"{where}/{self._keys[ordinal]}.{name}" for _, name in numbered)

    def __iter__(self) -> Iterator[Sample]:
        return (self[ordinal] for ordinal in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_members": [], "_keys": []}

    def open(self) -> None:
        """Download the shard if it is remote, verify it and index its members. Does nothing if it is already open.

        Raises:
            ShardError: the shard does not match its manifest.
        """
        if self._file is not None:
            return
        try:
            if self.entry.is_remote:
                self._open_remote()
            else:
                path = Path(self.manifest.location(self.entry))
                self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
                self._verify(path)
            self._members = self._scan()
        except ShardError:
            self.close()
            raise
        except OSError as error:
            self.close()
            path = self.cache.path(self.entry) if self.entry.is_remote else path
            found = error.strerror or str(error)
            raise self._error("the file", f"{self.entry.bytes} bytes at {path}", found) from error

    def _open_remote(self) -> None:
        """Open a shard of the cache; one that was damaged there is downloaded again."""
        path = self.cache.path(self.entry)
        self._file = self.cache.open(self.entry)
        try:
            self._verify(path)
        except ShardError:
            self.close()
            self.cache.remove(self.entry)
            self._file = self.cache.open(self.entry)
            self._verify(path)

    @property
    def is_local(self) -> bool:
        """Whether it can be opened without a download: a local file, or a remote shard that is in the cache."""
        return not self.entry.is_remote or self.cache.has(self.entry)

    @property
    def is_open(self) -> bool:
        """Whether its file is open."""
        return self._file is not None

    def close(self) -> None:
        """Close the file and discard the index of its members."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._members, self._keys = None, [], []

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            self.close()

    def _verify(self, path: Path) -> None:
        assert self._file is not None
        status = os.fstat(self._file)
        if status.st_size != self.entry.bytes:
            raise self._error("size", f"{self.entry.bytes} bytes", f"{status.st_size} bytes")
        verified = self.cache.verified if self.trusts_stamps else VerifiedFiles()
        found = verified.check(path, self._file, self.entry.sha256)
        if found != self.entry.sha256:
            raise self._error("sha256", self.entry.sha256, found)

    def _scan(self) -> list[dict[str, tuple[int, int]]]:
        """Offset and size of every member of every sample."""
        assert self._file is not None
        self._keys = []
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
                            raise self._error("members", "those of a sample to be adjacent", f"key {key} in two places")
                        seen.add(key)
                        self._keys.append(key)
                        index.append({})
                    if extension in index[-1]:
                        raise self._error("members", "unique names", f"{member.name!r} twice")
                    index[-1][extension] = (member.offset_data, member.size)
                    last = key
        except RecordError as error:
            raise self._error("members", "images, json and txt under ordinals", str(error)) from error
        except tarfile.TarError as error:
            raise self._error("format", "an uncompressed tar", str(error)) from error
        if len(index) != self.entry.samples:
            raise self._error("samples", str(self.entry.samples), str(len(index)))
        return index

    def _error(self, what: str, expected: str, found: str) -> ShardError:
        where = self.manifest.location(self.entry)
        return ShardError(
            f"shard {where} does not match manifest {self.manifest.path}: {what}: expected {expected}, found {found}. "
            "Fetch or build the shard again; `python -m medix shards verify` lists every damaged one",
            where,
        )


class OpenShards:
    """The shards of several manifests; the most recently used ones are kept open.

    Args:
        manifests: manifests that list the shards, in order.
        limit: maximum number of open shards.
        cache: holds downloaded shards; the default one if None.
    """

    def __init__(self, manifests: Iterable[Manifest], limit: int, cache: ShardCache | None = None) -> None:
        self.cache = cache or ShardCache()
        self.shards = [Shard(manifest, entry, self.cache) for manifest in manifests for entry in manifest.shards]
        self.limit = limit
        self._bad: dict[int, tuple[float, ShardError]] = {}
        self._open: OrderedDict[int, Shard] = OrderedDict()

    def __len__(self) -> int:
        return len(self.shards)

    def read(self, shard: int, ordinal: int) -> Sample:
        """Read one sample; opens its shard, and closes the least recently used shards above the limit."""
        return self._opened(shard)[ordinal]

    def image_names(self, shard: int, ordinal: int) -> tuple[str, ...]:
        """Where the images of one sample are stored."""
        return self._opened(shard).image_names(ordinal)

    def _opened(self, shard: int) -> Shard:
        since, error = self._bad.get(shard, (-math.inf, None))
        if error is not None and time.monotonic() - since < _BAD_SECONDS:
            raise error
        try:
            self.shards[shard].open()
        except ShardError as fault:
            self._bad[shard] = time.monotonic(), fault
            raise
        self._open[shard] = self.shards[shard]
        self._open.move_to_end(shard)
        while len(self._open) > self.limit:
            self._open.popitem(last=False)[1].close()
        return self.shards[shard]


@dataclass
class ShardWriter:
    """Writes the samples of one modality as shards into a folder.

    The same samples in the same order give identical files. ``index`` holds the rows of every finished shard by its
    SHA-256.

    Args:
        folder: existing folder to write to.
        name: name of the data set, the beginning of every file name.
        modality: modality of every sample, or ``TEXT_ONLY``.
        samples_per_shard: number of samples after which a new shard is started.
        bytes_per_shard: bytes of images and texts after which a new shard is started.
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
            raise ValueError(
                f"sample {sample.id!r} is {sample.modality}, but the shard {self.modality}; use a writer per modality"
            )
        if self._tar is None:
            self._stream = open(self._path, "wb")  # noqa: SIM115  (closed when the shard is full)
            import webdataset  # imports torch, which reading shards does not need

            # USTAR with fixed owner, mode and time: the bytes depend only on the samples.
            self._tar = webdataset.TarWriter(self._stream, user="medix", group="medix", mtime=0, encoder=False)
        self._payload += self._tar.write(encode(sample, self._ordinal))
        self._ordinal += 1
        self._pending.append(IndexRow.of(sample))
        if len(self._pending) >= self.samples_per_shard or self._payload >= self.bytes_per_shard:
            self._finish()

    def close(self) -> tuple[ShardEntry, ...]:
        """Finish the last shard and return the entries of all shards."""
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
    """Write samples as shards, with one manifest and one index per modality. Writes all files or none.

    Args:
        samples: samples with unique ids; an exception from it leaves ``folder`` unchanged. ``dataset`` is not read.
        folder: created if missing; must not contain shards of the same name.
        statement: name, data set, licence and de-identification.
        samples_per_shard: maximum number of samples per shard.
        skipped_rows: called at the end; returns the number of input rows that were skipped.
        manifest_folder: folder for the manifests; None puts them beside the shards.

    Raises:
        ValueError: there are no samples, two samples have the same id, or files would be overwritten.
    """
    folder, manifest_folder = Path(folder), Path(manifest_folder or folder)
    _refuse_to_overwrite(statement.name, folder, manifest_folder)
    # Shards move into place first, so that a reader that finds a manifest also finds all of its shards.
    with staging_folder(manifest_folder) as staged_manifests, staging_folder(folder) as staging:
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
            path = manifest_folder / f"{statement.name}-{modality.lower()}.yaml"
            manifest = Manifest(
                name=statement.name,
                modality=modality,
                licence=statement.licence,
                deidentification=statement.deidentification,
                shards=tuple(replace(entry, url=_beside(path, folder / entry.url)) for entry in entries),
                source=statement.source,
                modalities=statement.modalities,
                skipped_rows=skipped_rows(),
                path=path,
                dataset=statement.dataset,
            )
            write_index(index_path(staged_manifests / path.name), writers[modality].index)
            manifest.write(staged_manifests / path.name)
            manifests.append(manifest)
    return tuple(manifests)


def _refuse_to_overwrite(name: str, *folders: Path) -> None:
    for folder in folders:
        if any(folder.glob(f"{name}-*")):
            raise ValueError(f"{folder} already contains {name}-*; remove these files or choose another name")


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder inside the target. Its files are moved to the target on success, or deleted on an exception."""
    created = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
    try:
        with naming(folder):
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
    """The path of a shard relative to its manifest, in POSIX form on every system."""
    return Path(os.path.relpath(shard, manifest.parent)).as_posix()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that replaces ``path`` on success, or is deleted on an exception."""
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        with naming(path):
            yield partial
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
