"""Parts at tiny size, in a process that has imported medix."""

from pathlib import Path

from tests.support import warm
from tests.support.runs import LIMIT
from tools.accelerator_check import process
from tools.accelerator_check.part import Row


def _work(class_path: str, folder: Path) -> int:
    process.work("part", class_path, folder, LIMIT, tiny=True)
    return 0


def tried(class_path: str, folder: Path) -> dict[str, Row]:
    """The rows of a part by case; that of one which failed is shown.

    Args:
        class_path: behind ``tools.accelerator_check.``.
        folder: for its files.
    """
    done = warm.run(_work, f"tools.accelerator_check.{class_path}", folder, folder=folder, limit=LIMIT)
    found = {row.case: row for row in process.ended("part", folder, done.returncode)}
    failed = [f"{row.case}: {row.message}" for row in found.values() if row.outcome == "failed"]
    assert not failed, "\n".join([*failed, done.stdout[-2000:], done.stderr[-2000:]])
    return found
