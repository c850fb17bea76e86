"""With what ``fit`` starts: the newest checkpoint of its run, or what ``--ckpt_path`` names."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lightning.pytorch import Callback

from medix.callbacks.save_checkpoint import SaveCheckpoint, latest
from medix.callbacks.save_spec import step_of
from medix.files.checkpoint_content import digest_of
from medix.plan import BASE, chosen_checkpoint
from medix.run_beginning import NAME, beginning_of, named
from medix.run_end import has_ended

CKPT_PATH = (
    "a checkpoint that medix fit wrote; best or last of the run's folder; base for the policy as named; without it, "
    "the newest of the run's folder, if there is one. fit notes in checkpoints/began_from.json from what it begins, by "
    "which the same command goes on from the newest checkpoint that came of it, wherever the file lies. Another file "
    "begins anew from that, and so does the same one when the note is deleted; checkpoints of later steps, or of "
    "another training, are then renamed to superseded-*"
)
"""Help of ``--ckpt_path``."""


@dataclass(frozen=True)
class RunStart:
    """What one command starts with.

    Attributes:
        given: its ``--ckpt_path``; None without.
        folder: of the run.
    """

    given: str | None
    folder: Path

    @property
    def saved(self) -> Path | None:
        """The checkpoint of the run from which this command goes on; None if it begins as ``--ckpt_path`` says."""
        found = latest(self.folder / "checkpoints")
        if found is None or self.given in (None, "last"):
            return found
        began = beginning_of(self.folder / "checkpoints")
        if began is None or step_of(found) <= began.step:
            return None
        path = chosen_checkpoint(self.given, self.folder)
        return found if began.is_what(self._name, None if path is None else digest_of(Path(path))) else None

    def begin(self, callbacks: Iterable[Callback]) -> str | None:
        """The checkpoint to begin from, which ``SaveCheckpoint`` is to note; None for the policy as named.

        What the same command began from is found in the folder by its content where its name is gone.

        Raises:
            ValueError: ``base``, where the run has checkpoints that do not come from it.
        """
        if self.given == BASE and (found := latest(self.folder / "checkpoints")):
            raise ValueError(
                f"--ckpt_path {BASE}: {self.folder} holds checkpoints of an earlier run ({found.name}); name another "
                "trainer.default_root_dir, or delete the folder"
            )
        for one in callbacks:
            if isinstance(one, SaveCheckpoint):
                one.begins_from = self._name
        path = chosen_checkpoint(self.given, self.folder)
        return path if path is None or Path(path).exists() else str(self._begun_from() or path)

    def _begun_from(self) -> Path | None:
        """Where the folder still has what the same command began from, if that is not under the name any more.

        ``best.ckpt`` is not there before a training that measures otherwise than its checkpoint has a best of its own.
        """
        folder = self.folder / "checkpoints"
        began = beginning_of(folder)
        if began is None or began.digest is None or began.checkpoint != self._name:
            return None
        return next((path for path in sorted(folder.glob("*.ckpt")) if digest_of(path) == began.digest), None)

    @property
    def _name(self) -> str | None:
        """Under which the run notes from what it began."""
        if self.given in (None, BASE):
            return self.given
        return named(chosen_checkpoint(self.given, self.folder) or "", self.folder)

    def complete(self, found: Path, max_steps: int, report: str) -> str:
        """What to say of a run that has nothing left to do; empty for any other.

        Args:
            found: its newest checkpoint.
            max_steps: of this command.
            report: a sentence about its report.
        """
        step = step_of(found)
        if step < max_steps or not has_ended(found):
            return ""
        at = "at" if step == max_steps else "beyond"
        return (
            f"the run in {self.folder} is complete: {found.name} is {at} model.max_steps = {max_steps}. {report}"
            f"Raise model.max_steps, or name another trainer.default_root_dir to train afresh{self._anew}"
        )

    def going_on(self, found: Path, max_steps: int) -> str:
        """What to say of a run that goes on from its newest checkpoint."""
        step = step_of(found)
        limit = f" of {max_steps}" if step <= max_steps else f", beyond model.max_steps = {max_steps}"
        return f"going on from step {step}{limit} ({found}){self._anew}"

    @property
    def _anew(self) -> str:
        """What a command with ``--ckpt_path`` is to know where the run goes on."""
        if self.given in (None, "last", BASE):
            return ""
        note = self.folder / "checkpoints" / NAME
        return f"; it began from --ckpt_path {self.given}: to begin from that once more, delete {note}"
