"""Whether there is room for the checkpoints of a run, and for weights on their way to servers."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from medix.callbacks.save_checkpoint import SaveCheckpoint
from medix.commands.doctor_check import Check, Finding
from medix.commands.doctor_machine import gib
from medix.commands.doctor_needs import Needs, state_bytes
from medix.commands.doctor_subject import Subject
from medix.rollout.served import ServedEngine
from medix.rollout.serving.channel import FolderChannel

SPARE = 1.2


class DiskCheck(Check):
    """Checkpoints that are kept, the best, and one that is being written, against the free disk; published weights."""

    name = "disk"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """The room where the run's folder is, or will be, and where weights go to servers."""
        yield self._checkpoints(subject)
        engine = subject.module.engine
        if isinstance(engine, ServedEngine) and isinstance(engine.weights, FolderChannel):
            yield self._weights(subject, engine.weights)

    def _checkpoints(self, subject: Subject) -> Finding:
        savers = [callback for callback in subject.callbacks if isinstance(callback, SaveCheckpoint)]
        if not savers:
            text = "trainer.callbacks has no SaveCheckpoint: a run that stops begins anew"
            return self.warning(text, "add class_path: medix.callbacks.SaveCheckpoint")
        saver = savers[0]
        trained, width = subject.model.trained, Needs.of(subject).trained_bytes
        state = state_bytes(subject.module.optimizer, width)
        count = saver.keep + 2
        how = (
            f"{count} checkpoints (SaveCheckpoint.keep {saver.keep}, the best, one being written) x "
            f"{trained:,} trained weights x ({width} + {state:g}) bytes"
        )
        remedy = "free some, name another trainer.default_root_dir, or lower SaveCheckpoint.keep"
        return self._compared(subject.root / saver.folder, how, count * trained * (width + state), remedy)

    def _weights(self, subject: Subject, channel: FolderChannel) -> Finding:
        """While servers take up new weights the old ones are still there."""
        parameters, width = subject.model.parameters, Needs.of(subject).weight_bytes
        how = f"weights for the servers, 2 versions x {parameters:,} x {width} bytes"
        remedy = "free some, or name another folder: model.engine.init_args.weights.init_args.folder"
        folder = Path(channel.folder or tempfile.gettempdir())
        return self._compared(folder, how, 2 * parameters * width, remedy)

    def _compared(self, folder: Path, how: str, needed: float, remedy: str) -> Finding:
        free = shutil.disk_usage(_existing(folder)).free
        text = f"{folder}: {how} = {gib(needed)}; {gib(free)} free"
        if needed > free:
            return self.problem(text, remedy)
        if SPARE * needed > free:
            return self.warning(text, remedy)
        return self.ok(text)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
