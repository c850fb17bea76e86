"""The mark of what a run began from, where ``--ckpt_path`` said it, by which the same command goes on.

A scheduler gives the same command again. Without the mark it would begin once more from the file that it names. The
mark knows the file by its content: the folder of a project may be moved, or mounted under another path.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from medix.files.atomic_file import write_atomically

NAME = "began_from.json"


@dataclass(frozen=True)
class Beginning:
    """From what the checkpoints of a run go on.

    Attributes:
        checkpoint: what ``--ckpt_path`` named, as ``named`` tells it.
        step: its number of finished steps; checkpoints of later steps are the run's own.
        digest: of its content (``checkpoint_content``); None without a file, and in marks of earlier versions.
    """

    checkpoint: str
    step: int
    digest: str | None = None

    def is_what(self, name: str | None, digest: str | None) -> bool:
        """Whether a command names the same: the same content, wherever it lies.

        Or the same path, because the file may be gone, and ``best.ckpt`` becomes another one while the run goes on.

        Args:
            name: of what ``--ckpt_path`` names, as ``named`` tells it.
            digest: of its content; None if it is no file, or gone.
        """
        return name == self.checkpoint or (digest is not None and digest == self.digest)


def named(given: str, folder: Path) -> str:
    """A file in one text, whatever the working directory, and wherever a run lies that has it.

    Args:
        given: a path, or ``base``.
        folder: of the run.
    """
    if given == "base":
        return given
    path, root = (Path(os.path.abspath(one)) for one in (given, folder))
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def note_beginning(checkpoints: Path, beginning: Beginning | None) -> None:
    """Leave the mark in the folder of the checkpoints; None removes that of an earlier run."""
    if beginning is None:
        (checkpoints / NAME).unlink(missing_ok=True)
        return
    checkpoints.mkdir(parents=True, exist_ok=True)
    write_atomically(checkpoints / NAME, json.dumps(asdict(beginning)) + "\n")


def beginning_of(checkpoints: Path) -> Beginning | None:
    """What the mark says; None without one that can be read."""
    try:
        mark = json.loads((checkpoints / NAME).read_text(encoding="utf-8"))
        digest = mark.get("digest")
        return Beginning(str(mark["checkpoint"]), int(mark["step"]), None if digest is None else str(digest))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
