"""The mark of a run that has ended: behind its last checkpoint there was nothing more to write.

The last checkpoint is written before the last records and the report, so that it does not tell whether these are there.
The mark is of one file, not of a step: another training that goes on from an earlier checkpoint reaches that step, too.
"""

import json
from pathlib import Path

from medix.files.atomic_file import write_atomically
from medix.files.checkpoint_content import digest_of

_NAME = "ended.json"


def note_end(checkpoint: Path) -> None:
    """Leave the mark beside the last checkpoint of the run."""
    write_atomically(checkpoint.with_name(_NAME), json.dumps(_mark(checkpoint)) + "\n")


def forget_end(checkpoints: Path) -> None:
    """Remove the mark, if it is in this folder: the run goes on."""
    (checkpoints / _NAME).unlink(missing_ok=True)


def has_ended(checkpoint: Path) -> bool:
    """Whether the mark is there, and of this checkpoint."""
    present = _mark(checkpoint)
    try:
        mark = json.loads(checkpoint.with_name(_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return present["digest"] is not None and bool(mark == present)


def _mark(checkpoint: Path) -> dict[str, str | None]:
    """Name and content of a checkpoint."""
    return {"checkpoint": checkpoint.name, "digest": digest_of(checkpoint)}
