"""Whether there is enough disk space for the checkpoints of a run and for the weights published to servers."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from medix.callbacks.save_checkpoint import FOLDER, SaveCheckpoint
from medix.doctor.checks.base import Check
from medix.doctor.findings import Finding
from medix.doctor.machine import gib
from medix.doctor.rank import Rank
from medix.doctor.subject import Subject
from medix.rollout.served import ServedEngine
from medix.rollout.serving.channel import FolderChannel

SPARE = 1.2
"""Free space, as a multiple of what is needed, below which the finding is a warning."""


class DiskCheck(Check):
    """Compares free disk space with the checkpoints that exist at the same time, and with published weights."""

    name = "disk"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """The disk of the run's folder, then the disk of the folder through which weights are published."""
        yield self._checkpoints(subject)
        engine = subject.module.engine
        if isinstance(engine, ServedEngine) and isinstance(engine.weights, FolderChannel):
            yield self._weights(subject, engine, engine.weights)

    def _checkpoints(self, subject: Subject) -> Finding:
        savers = [callback for callback in subject.callbacks if isinstance(callback, SaveCheckpoint)]
        if not savers:
            text = "trainer.callbacks has no SaveCheckpoint: an interrupted run starts from the beginning"
            return self.warning(text, "add class_path: medix.callbacks.SaveCheckpoint")
        saver = savers[0]
        rank, trained = Rank.of(subject), subject.model.trained
        per_parameter = rank.trained_bytes + rank.optimizer.state
        count = saver.keep + 2
        formula = (
            f"{count} checkpoints (SaveCheckpoint.keep {saver.keep}, the best, one being written) x "
            f"{trained:,} trained parameters x ({rank.trained_bytes} + {rank.optimizer.state:g}) bytes"
        )
        remedy = "free disk space, set another trainer.default_root_dir, or lower SaveCheckpoint.keep"
        return self._compared(subject.root / FOLDER, formula, count * trained * per_parameter, remedy)

    def _weights(self, subject: Subject, engine: ServedEngine, channel: FolderChannel) -> Finding:
        """Two versions: the previous one is still there while servers load the new one.

        In the dtype of the policy, as a run publishes them, unless the servers say that theirs is narrower.
        """
        parameters, width, whose = subject.model.parameters, Rank.of(subject).weight_bytes, "of the policy"
        dtype = engine.dtype_of_servers()
        if dtype is None:
            whose += ", since that of the servers is not known"
        elif dtype.itemsize < width:
            width, whose = dtype.itemsize, "of the servers"
        formula = f"weights published in the dtype {whose}, 2 versions x {parameters:,} x {width} bytes"
        remedy = "free disk space, or set another folder: model.engine.init_args.weights.init_args.folder"
        folder = Path(channel.folder or tempfile.gettempdir())
        return self._compared(folder, formula, 2 * parameters * width, remedy)

    def _compared(self, folder: Path, formula: str, needed: float, remedy: str) -> Finding:
        free = shutil.disk_usage(_existing(folder)).free
        text = f"{folder}: {formula} = {gib(needed)}; {gib(free)} free"
        if needed > free:
            return self.problem(text, remedy)
        if SPARE * needed > free:
            return self.warning(text, remedy)
        return self.ok(text)


def _existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    return next(path for path in (folder, *folder.absolute().parents) if path.exists())
