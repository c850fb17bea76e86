"""Weights in a folder that trainer and servers share: complete or absent, and verified before use."""

import hashlib
import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from medix.files.disk_room import described, error_number
from medix.rollout.serving.run_lock import RunLock

_LOG = logging.getLogger(__name__)
BYTES_PER_FILE = 2**31
"""Size at which a file is closed, and so the weights in main memory at one time."""


class WeightFileError(RuntimeError):
    """A weight file is missing, or not the one that was written."""


@dataclass(frozen=True)
class WeightFile:
    """A safetensors file.

    Args:
        path: absolute.
        size: in bytes.
        sha256: of its contents, in hexadecimal digits.
    """

    path: str
    size: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "WeightFile":
        """An existing file."""
        return cls(str(path.absolute()), path.stat().st_size, _digest(path))

    def check(self) -> None:
        """Compare with the file on disk.

        Raises:
            WeightFileError: it is missing, or differs.
        """
        path = Path(self.path)
        try:
            size = path.stat().st_size
        except OSError as error:
            raise WeightFileError(
                f"weights: {path} cannot be read here ({error.strerror or error}); trainer and servers must see the "
                "same folder: name one that both have in engine.weights.folder"
            ) from error
        if size != self.size or _digest(path) != self.sha256:
            raise WeightFileError(
                f"weights: {path} is not what was written ({size} bytes where {self.size} were): the file system shows "
                "an older or a damaged file; name another engine.weights.folder"
            )


class WeightFolder:
    """One version of the weights at a time, each in a folder of its own.

    A run that is killed cannot remove its version; the next one that writes into the folder does.

    Args:
        folder: holds the versions; created if it does not exist.
        bytes_per_file: a file is closed once it is this large.
    """

    def __init__(self, folder: Path, bytes_per_file: int = BYTES_PER_FILE) -> None:
        self.folder = folder
        self.bytes_per_file = bytes_per_file
        self._written: set[str] = set()
        self._lock: RunLock | None = None

    def write(self, version: str, weights: Iterable[tuple[str, Tensor]]) -> tuple[WeightFile, ...]:
        """Write a version; it appears under its name when it is complete.

        Args:
            version: becomes the name of its folder.
            weights: names and whole tensors, one at a time.

        Raises:
            OSError: they cannot be written; the message names the folder, and how much it has room for.
        """
        self._enter(version)
        unfinished, finished = self.folder / f".{version}.part", self.folder / version
        for left in (unfinished, finished):
            shutil.rmtree(left, ignore_errors=True)
        self._written.add(version)
        unfinished.mkdir()
        needed = 0
        try:
            for number, part in enumerate(_parts(weights, self.bytes_per_file)):
                needed += sum(tensor.nbytes for tensor in part.values())
                _save(part, unfinished / f"weights-{number:05d}.safetensors")
            unfinished.rename(finished)
        except BaseException as error:
            shutil.rmtree(unfinished, ignore_errors=True)
            if not isinstance(error, OSError):
                raise
            number = error_number(error, self.folder, needed)
            raise OSError(f"{self.folder}: {described(number, self.folder, needed)} ({error})") from error
        return tuple(WeightFile.of(path) for path in sorted(finished.iterdir()))

    def keep_only(self, version: str | None) -> None:
        """Remove all other versions that this object wrote; every version for None."""
        for name in self._written - {version}:
            for path in (self.folder / name, self.folder / f".{name}.part"):
                shutil.rmtree(path, ignore_errors=True)
            self._written.discard(name)
        if version is None and self._lock is not None:
            self._lock.close()
            self._lock = None

    def _enter(self, version: str) -> None:
        """With the first version, remove those of runs that were killed: each takes as much room as this one's."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = RunLock(self.folder)
            if self._lock.removed:
                _LOG.warning(
                    "%s: removed weights of runs that have ended: %s", self.folder, ", ".join(self._lock.removed)
                )
        self._lock.add(version)


def read(files: Sequence[WeightFile]) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors, one at a time, in main memory."""
    for file in files:
        with safe_open(file.path, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118  # it is no mapping
                yield name, opened.get_tensor(name)


def from_plain(files: Sequence[dict[str, Any]]) -> tuple[WeightFile, ...]:
    """The inverse of ``dataclasses.asdict`` on each file."""
    return tuple(WeightFile(**file) for file in files)


def _parts(weights: Iterable[tuple[str, Tensor]], limit: int) -> Iterator[dict[str, Tensor]]:
    part: dict[str, Tensor] = {}
    size, storages = 0, set[int]()
    for name, weight in weights:
        tensor = weight.detach().to("cpu").contiguous()
        if tensor.data_ptr() in storages:  # the format refuses two names for one memory
            tensor = tensor.clone()
        storages.add(tensor.data_ptr())
        part[name] = tensor
        size += tensor.nbytes
        if size >= limit:
            yield part
            part, size, storages = {}, 0, set()
    if part:
        yield part


def _save(part: dict[str, Tensor], path: Path) -> None:
    try:
        save_file(part, path)
    except SafetensorError as error:  # what it makes of an error of the file system
        raise OSError(str(error)) from error


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def sizes_of(config: Any) -> dict[str, int]:
    """Sizes that distinguish models, from a Hugging Face configuration: layers, widths, vocabularies."""
    found = {}
    for holder in ("", "text_config", "vision_config"):
        part = getattr(config, holder, None) if holder else config
        for name in ("num_hidden_layers", "hidden_size", "intermediate_size", "vocab_size", "depth"):
            value = getattr(part, name, None)
            if isinstance(value, int):
                found[f"{holder}.{name}".lstrip(".")] = value
    return found


def differences(own: dict[str, int], given: dict[str, int]) -> list[str]:
    """Sizes that both have and that differ."""
    return [
        f"{name} is {own[name]} here and {given[name]} there"
        for name in sorted(own.keys() & given.keys())
        if own[name] != given[name]
    ]
