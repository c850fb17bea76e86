"""The mark of a run that has ended: behind its last checkpoint there was nothing more to write.

The last checkpoint is written before the last records and the report, so that it does not tell whether these are there.
"""

import json
from pathlib import Path

from medix.atomic_file import write_atomically

_NAME = "ended.json"


def note_end(checkpoints: Path, step: int) -> None:
    """Leave the mark beside the checkpoints.

    Args:
        checkpoints: their folder.
        step: the last, which is saved.
    """
    write_atomically(checkpoints / _NAME, json.dumps({"step": step}) + "\n")


def has_ended(checkpoints: Path, step: int) -> bool:
    """Whether the mark is there, and of this step."""
    try:
        mark = json.loads((checkpoints / _NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return bool(mark == {"step": step})
