"""The mark of a run that has ended: behind its last checkpoint there was nothing more to write.

The last checkpoint is written before the last records and the report, so that it does not tell whether these are there.
The mark is of one file, not of a step: another training that goes on from an earlier checkpoint reaches that step, too.
"""

import hashlib
import json
import zipfile
from pathlib import Path

from medix.atomic_file import write_atomically

_NAME = "ended.json"


def note_end(checkpoint: Path) -> None:
    """Leave the mark beside the last checkpoint of the run."""
    write_atomically(checkpoint.with_name(_NAME), json.dumps(_mark(checkpoint)) + "\n")


def forget_end(checkpoints: Path) -> None:
    """Remove the mark, if it is in this folder: the run goes on."""
    (checkpoints / _NAME).unlink(missing_ok=True)


def has_ended(checkpoint: Path) -> bool:
    """Whether the mark is there, and of this checkpoint."""
    try:
        mark = json.loads(checkpoint.with_name(_NAME).read_text(encoding="utf-8"))
        return bool(mark == _mark(checkpoint))
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def _mark(checkpoint: Path) -> dict[str, str]:
    """Name and content of a checkpoint, whose file lists the checksum of each of its parts."""
    with zipfile.ZipFile(checkpoint) as archive:
        parts = [(part.filename.partition("/")[2], part.file_size, part.CRC) for part in archive.infolist()]
    return {"checkpoint": checkpoint.name, "digest": hashlib.sha256(json.dumps(parts).encode()).hexdigest()}
