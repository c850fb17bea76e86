"""Shards: tar files of samples, read by random access.

WebDataset reads a tar that is truncated at a header, or has a damaged header, as a shorter tar without raising an
error. A shard is therefore verified against its manifest (size, SHA-256, count) before its first sample is used.
"""

import math
import os
import stat
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from medix.data import foreign_record
from medix.data.address import without_access
from medix.data.download import DownloadError
from medix.data.machine_error import EXHAUSTED, MachineError
from medix.data.manifest import Manifest, ShardEntry
from medix.data.record import RecordError, decode, split_name
from medix.data.shard_cache import ShardCache
from medix.data.sources.source import RowError
from medix.data.tar_samples import TarLayoutError, TarSample, tar_samples
from medix.data.verified import VerifiedFiles
from medix.files.atomic_file import naming
from medix.modality import TEXT_ONLY
from medix.types import Sample

_BAD_SECONDS = 600.0
"""How long a shard that could not be opened is not tried again: it may be a server that is down."""


_FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""The opening of a pipe that a manifest names waits for no writer."""


class ShardError(ValueError):
    """A shard is missing, damaged, or does not match its manifest. Its message shows no access to an address.

    Attributes:
        what: what is wrong.
        shard: where it is, as reports show it.
        remedy: what to do; the end of the message.
    """

    def __init__(self, what: str, shard: str = "", remedy: str = "") -> None:
        self.what = without_access(what)
        self.shard = shard
        self.remedy = remedy
        super().__init__(f"{self.what}. {remedy}" if remedy else self.what)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.what, self.shard, self.remedy)


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
        self._samples: list[TarSample] = []
        self._foreign = foreign_record.foreign_record(manifest)

    def __len__(self) -> int:
        return self.entry.samples

    def __getitem__(self, ordinal: int) -> Sample:
        if not 0 <= ordinal < len(self):
            raise IndexError(f"sample {ordinal} of {self.entry.shown}, which has {len(self)}")
        self.open()
        assert self._file is not None
        key, places = self._samples[ordinal]
        try:
            members = {name: self._read(start, size) for name, (start, size) in places.items()}
            sample = decode(members) if self._foreign is None else self._foreign.decode(key, members)
        except (RecordError, RowError) as error:
            raise self._error(f"sample {ordinal}", "a sample", str(error)) from error
        except OSError as error:
            raise self._unread(error) from error
        if self._foreign is not None and sample.images and sample.modality is None:
            sample = replace(sample, modality=self.manifest.modality)
        if (sample.modality or TEXT_ONLY) != self.manifest.modality:
            raise self._error(f"modality of sample {sample.id!r}", self.manifest.modality, repr(sample.modality))
        return replace(sample, dataset=self.manifest.dataset)

    def image_names(self, ordinal: int) -> tuple[str, ...]:
        """Where the images of a sample are stored: the shard and the member, in order."""
        self.open()
        key, places = self._samples[ordinal]
        if self._foreign is None:
            numbers = ((name.partition(".")[0], name) for name in places)
            names = [name for _, name in sorted((int(number), name) for number, name in numbers if number.isdecimal())]
        else:
            names = foreign_record.images_of(places)
        where = self.manifest.shown_location(self.entry)
        where = where if self.entry.is_remote else os.path.normpath(where)
        return tuple(f"{where}/{key}.{name}" for name in names)

    def __iter__(self) -> Iterator[Sample]:
        return (self[ordinal] for ordinal in range(len(self)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None, "_samples": []}

    def open(self) -> None:
        """Download the shard if it is remote, verify it and index its members. Does nothing if it is already open.

        Raises:
            ShardError: the shard does not match its manifest.
            MachineError: the machine cannot store, open or read it.
        """
        if self._file is not None:
            return
        try:
            if self.entry.is_remote:
                self._open_remote()
            else:
                self._file = os.open(self.path, _FLAGS)
                if not stat.S_ISREG(os.fstat(self._file).st_mode):
                    raise self._error("the file", f"{self.entry.bytes} bytes at {self.path}", "no regular file")
                self._verify(self.path)
            self._samples = self._scan()
        except ShardError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise self._unread(error) from error

    def _open_remote(self) -> None:
        """Open a shard of the cache; one that was damaged there is downloaded again."""
        self._file = self.cache.open(self.entry)
        try:
            self._verify(self.path)
        except ShardError:
            self.close()
            self.cache.remove(self.entry)
            self._file = self.cache.open(self.entry)
            self._verify(self.path)

    @property
    def path(self) -> Path:
        """Of its file; that of a remote shard is in the cache."""
        return self.cache.path(self.entry) if self.entry.is_remote else Path(self.manifest.location(self.entry))

    def _read(self, start: int, size: int) -> bytes:
        """Bytes of the file."""
        assert self._file is not None
        found = os.pread(self._file, size, start)
        while len(found) < size:  # a call returns 2 GiB at most
            more = os.pread(self._file, size - len(found), start + len(found))
            if not more:
                text = f"its end after {len(found)} of {size} bytes: it has become shorter while it was open"
                raise self._error(f"bytes from {start} on", f"{size} bytes", text)
            found += more
        return found

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
        self._file, self._samples = None, []

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

    def _scan(self) -> list[TarSample]:
        """The members of every sample."""
        assert self._file is not None
        try:
            with os.fdopen(os.dup(self._file), "rb") as stream:
                found = tar_samples(stream, split_name if self._foreign is None else foreign_record.split_name)
        except TarLayoutError as error:
            raise self._error(error.what, error.expected, error.found) from error
        except ValueError as error:
            raise self._error("members", "images, json and txt under ordinals", str(error)) from error
        if len(found) != self.entry.samples:
            raise self._error("samples", str(self.entry.samples), str(len(found)))
        return found

    def _unread(self, error: OSError) -> ShardError | MachineError:
        """What an error of the operating system means: that of a cached shard is one of the machine."""
        if isinstance(error, MachineError):
            return error
        if isinstance(error, DownloadError):
            return self.not_fetched(error)
        if error.errno is not None and (self.entry.is_remote or error.errno in EXHAUSTED):
            return MachineError.of(error, self.path)
        found = error.strerror or str(error)
        return self._error("the file", f"{self.entry.bytes} bytes at {self.path}", found)

    def not_fetched(self, error: DownloadError) -> ShardError:
        """What a failed download means: the address holds another file, or gives none."""
        if error.is_other:
            return self._mismatch(str(error))
        where = self.manifest.shown_location(self.entry)
        return ShardError(
            f"shard {where} of manifest {self.manifest.path} cannot be fetched: {error}",
            where,
            "Check its url in the manifest and the server; `python -m medix shards verify` asks for every shard",
        )

    def _error(self, what: str, expected: str, found: str) -> ShardError:
        return self._mismatch(f"{what}: expected {expected}, found {found}")

    def _mismatch(self, told: str) -> ShardError:
        where = self.manifest.shown_location(self.entry)
        return ShardError(
            f"shard {where} does not match manifest {self.manifest.path}: {told}",
            where,
            "Fetch or build the shard again; `python -m medix shards verify` lists every damaged one",
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
        """Read one sample; opens its shard, after it has closed the least recently used of as many as the limit."""
        return self._opened(shard)[ordinal]

    def image_names(self, shard: int, ordinal: int) -> tuple[str, ...]:
        """Where the images of one sample are stored."""
        return self._opened(shard).image_names(ordinal)

    def _opened(self, shard: int) -> Shard:
        since, error = self._bad.get(shard, (-math.inf, None))
        if error is not None and time.monotonic() - since < _BAD_SECONDS:
            raise error
        while shard not in self._open and len(self._open) >= self.limit:  # first: the cache can remove a closed one
            self._open.popitem(last=False)[1].close()
        try:
            self.shards[shard].open()
        except ShardError as fault:
            self._bad[shard] = time.monotonic(), fault
            raise
        self._open[shard] = self.shards[shard]
        self._open.move_to_end(shard)
        return self.shards[shard]


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
