"""Checksums of the files of a run."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PATTERNS = (
    "spec*.yaml", "report.md", "report.json", "report.html", "validation*.json", "test*.json", "canaries*.json",
    "verification.json", "completions/*.jsonl", "checkpoints/step-*.ckpt", "checkpoints/step-*.ckpt/**/*",
    "checkpoints/best.*", "checkpoints/best.ckpt/**/*",
    "logs/**/metrics.csv", "predictions*.jsonl",
)  # fmt: skip


@dataclass(frozen=True)
class FileChecksum:
    """A file as it is now.

    Attributes:
        name: path relative to the run's folder.
        bytes: its size.
        sha256: in hexadecimal digits.
    """

    name: str
    bytes: int
    sha256: str

    @classmethod
    def of(cls, folder: Path, name: str) -> "FileChecksum":
        """Read a file."""
        with (folder / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(name, (folder / name).stat().st_size, digest)


def read_object(
    path: Path, writer: str, keys: Iterable[str] = (), remedy: str = "delete it, or write it again"
) -> dict[str, Any]:
    """A JSON object that a command of medix has written.

    Args:
        path: the file.
        writer: the command, for messages.
        keys: that it must have.
        remedy: for messages.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it cannot be read, or is none: the file was cut, or is of something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); {remedy}") from error
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict) or not set(keys) <= content.keys():
        raise ValueError(f"{path}: is not what {writer} writes; {remedy}")
    return content


def files_of(run: Path) -> list[str]:
    """The files that a run card names, sorted: specs, reports, records, checkpoints, logs. Images are none of them.

    A link, as ``best.ckpt`` is, counts as what it reads; of a checkpoint that is a folder every file is named.
    """
    found = {path for pattern in _PATTERNS for path in run.glob(pattern) if path.is_file()}
    return sorted(path.relative_to(run).as_posix() for path in found)


def changed(run: Path, stated: Iterable[Mapping[str, Any]]) -> Sequence[str]:
    """The files that are not what a run card states, one sentence each.

    Args:
        run: folder of the run.
        stated: ``name``, ``bytes`` and ``sha256`` of each file.
    """
    sentences = []
    for entry in stated:
        name = str(entry["name"])
        if not (run / name).is_file():
            sentences.append(f"{name}: is missing")
            continue
        now = FileChecksum.of(run, name)
        if now.sha256 != entry["sha256"]:
            sentences.append(f"{name}: has changed ({entry['bytes']} bytes then, {now.bytes} now)")
    return sentences
