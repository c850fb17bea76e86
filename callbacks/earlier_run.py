"""What another training, or an abandoned part of it, has left in the folder of a run that begins from a checkpoint."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning.pytorch import Trainer

from medix.callbacks.own_checkpoints import is_of_run
from medix.files.durable_files import set_aside
from medix.reporting.evaluations import FILES

_READ_THERE = (
    "spec.yaml",
    "spec.from-step-*.yaml",
    "completions",
    "report.html",
    "report.json",
    "report.md",
    *FILES,
    "predictions*.jsonl*",
    "canaries*.json",
    "verification.json",
    "run-card.*",
    "logs/version_*",
)
"""What commands look for in the folder of a run, or write there, whichever callbacks and loggers this start has."""

_OF_COMMANDS = re.compile(
    r"(validate|test)(-exchanged)?-step-\d+\.jsonl|predictions(-exchanged)?\.jsonl|verification\.json|"
    + "|".join(map(re.escape, FILES))
)
"""What ``validate``, ``test``, ``predict`` and ``verify`` wrote of the checkpoint of a step."""


def set_earlier_run_aside(trainer: Trainer, checkpoints: Sequence[tuple[int, Path]]) -> list[str]:
    """Rename what is of another training to ``superseded-*``: it would pass for that of this one.

    That is what commands look for in the folder of the run; what callbacks of the trainer say that they write, by a
    method ``files_of_run(trainer)``, which returns the paths that are there; and earlier versions of loggers that
    number them (``root_dir``), within the folder of the run. Checkpoints are left to ``SaveCheckpoint``. What stays:
    the folder of a logger with a fixed version, to which this start writes already, and what callbacks and loggers
    that this start does not have wrote to other places than those where commands look.

    Args:
        trainer: of this start, with its ``ckpt_path``.
        checkpoints: steps and paths of those in the folder of the run; without any there is no run.

    Returns:
        What was renamed, relative to that folder where it lies in it, with ``*`` for the number at its end.
    """
    folder = Path(trainer.default_root_dir)
    if trainer.ckpt_path is None or not checkpoints or is_of_run(checkpoints, Path(trainer.ckpt_path)):
        return []
    in_use = [folder, *(path.parent for _, path in checkpoints)]
    in_use += [Path(logger.log_dir) for logger in trainer.loggers if logger.log_dir]
    used = [path.resolve() for path in in_use]
    renamed = [
        _rename(path, folder)
        for path in _written(trainer, folder)
        if os.path.lexists(path) and not any(one.is_relative_to(path.resolve()) for one in used)
    ]
    return list(dict.fromkeys(renamed))


def set_later_results_aside(trainer: Trainer, step: int) -> list[str]:
    """Rename what commands wrote of later steps to ``superseded-*``: those of the run may become other ones.

    What callbacks write of later steps during training they delete themselves, since it is written again.

    Args:
        trainer: of this start.
        step: from which training goes on.

    Returns:
        As ``set_earlier_run_aside``.
    """
    folder = Path(trainer.default_root_dir)
    files = [one for path in _written(trainer, folder) for one in (sorted(path.iterdir()) if path.is_dir() else [path])]
    later = [path for path in dict.fromkeys(files) if _OF_COMMANDS.fullmatch(path.name) and _last_step(path) > step]
    return list(dict.fromkeys(_rename(path, folder) for path in later))


def _last_step(path: Path) -> int:
    """The last step that a file of results is of; -1 where it does not say."""
    if not path.is_file():
        return -1
    try:
        with path.open(encoding="utf-8") as lines:
            content = json.loads(lines.readline() if path.suffix == ".jsonl" else lines.read())
        return max(map(int, [*content.get("steps", ()), content.get("step", -1)]))
    except (OSError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return -1


def _rename(path: Path, folder: Path) -> str:
    set_aside(path)
    named = path.relative_to(folder) if path.is_relative_to(folder) else path
    return re.sub(r"\d+(?=\.\w+$|$)", "*", str(named))


def _written(trainer: Trainer, folder: Path) -> Iterator[Path]:
    """Files and folders; what lies in a folder that was renamed is not there any more when it is asked for."""
    for pattern in _READ_THERE:
        yield from sorted(folder.glob(pattern))
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning does not declare it
        files_of_run = getattr(callback, "files_of_run", None)
        if files_of_run is not None:
            yield from sorted(files_of_run(trainer))
    for logger in trainer.loggers:
        root = getattr(logger, "root_dir", None)
        if root is not None and Path(root).resolve().is_relative_to(folder.resolve()):  # others serve many runs
            yield from sorted(Path(root).glob("version_*"))
