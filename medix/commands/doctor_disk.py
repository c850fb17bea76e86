"""Whether there is room for the checkpoints of a run."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from medix.callbacks.save_checkpoint import SaveCheckpoint
from medix.commands.doctor_check import Check, Finding
from medix.commands.doctor_machine import gib
from medix.commands.doctor_needs import Needs, state_bytes
from medix.commands.doctor_subject import Subject

SPARE = 1.2


class DiskCheck(Check):
    """Checkpoints that are kept, the best, and one that is being written, against the free disk."""

    name = "disk"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """The room where the run's folder is, or will be."""
        savers = [callback for callback in subject.callbacks if isinstance(callback, SaveCheckpoint)]
        if not savers:
            text = "trainer.callbacks has no SaveCheckpoint: a run that stops begins anew"
            yield self.warning(text, "add class_path: medix.callbacks.SaveCheckpoint")
            return
        saver = savers[0]
        folder = subject.root / saver.folder
        free = shutil.disk_usage(_existing(folder)).free
        trained = subject.model.trained
        width = Needs.of(subject).trained_bytes
        state = state_bytes(subject.module.optimizer, width)
        one = trained * (width + state)
        count = saver.keep + 2
        needed = count * one
        text = (
            f"{folder}: {count} checkpoints (SaveCheckpoint.keep {saver.keep}, the best, one being written) x "
            f"{trained:,} trained weights x ({width} + {state:g}) bytes = {gib(needed)}; {gib(free)} free"
        )
        remedy = "free some, name another trainer.default_root_dir, or lower SaveCheckpoint.keep"
        if needed > free:
            yield self.problem(text, remedy)
        elif SPARE * needed > free:
            yield self.warning(text, remedy)
        else:
            yield self.ok(text)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())
