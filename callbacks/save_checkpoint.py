"""Checkpoints counted in steps, written atomically, with the best one by a validation metric."""

import logging
import math
import re
import time
import zipfile
from pathlib import Path
from typing import Any, Literal

from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from medix import stop_signal
from medix.callbacks.best_checkpoint import BestCheckpoint
from medix.callbacks.judge_validation import JudgeValidation
from medix.callbacks.own_checkpoints import lineage, own_checkpoints
from medix.callbacks.watched import suite_of, watched
from medix.data.loader import FAULTS
from medix.distributed import fail_together, gather
from medix.files.checkpoint_content import digest_of
from medix.files.disk_room import remedy
from medix.files.durable_files import delete, rename, set_aside, sync
from medix.modules.checkpoint_io import InPlaceCheckpointIO
from medix.run_beginning import Beginning, beginning_of, note_beginning
from medix.run_end import forget_end

_LOG = logging.getLogger(__name__)
_DEFAULT = "val/reward"
_NAME = re.compile(r"step-(\d{6,})\.ckpt")
FOLDER = "checkpoints"
"""Of the checkpoints, in the folder of a run."""
SLOW = 30.0
"""Seconds below which writing a checkpoint is not slow, however short the steps are."""


class SaveCheckpoint(Checkpoint):
    """Writes ``step-000010.ckpt`` every few steps and after the last one, and keeps the newest and the best.

    A checkpoint is written under a temporary name, flushed to disk, and renamed: a file with a final name is complete.
    ``best.ckpt`` is a link to the best one (a copy where links cannot be made) and ``best.json`` says which and why;
    the step of the best validation is saved even if it is not due, and is not deleted until another is better. When a
    resumed run has another monitor, or validates with other rewards, judge, sampling, prompts, precision or samples,
    the best is chosen anew; so it is where the best is not here, as in a training that goes on from another folder's
    checkpoint. Those in the folder that are of another training (``own_checkpoints``) are renamed to ``superseded-*``.
    A validation before the first step is not a candidate, because it has the original weights.

    Only finished steps are saved: on an exception the policy may be halfway through its updates, so nothing is written
    then, and a new start continues from the last checkpoint. A signal ends the run after the last finished step, which
    is saved (``medix.stop_signal``), and so it is where data cannot be read, on one rank. Lightning runs checkpoint
    callbacks last, so the state of all other callbacks is of the same step.

    A slow folder is waited for by all ranks, and loses nothing; it is said once if writing a checkpoint takes longer
    than the steps since the last one.

    Args:
        every_n_steps: steps between checkpoints.
        keep: number of newest checkpoints to keep beside the best.
        monitor: metric of the validation split that decides the best; None keeps no best.
        mode: whether a larger (``max``) or smaller (``min``) value is better; only finite ones count.
        folder: kept for specs of earlier versions: the checkpoints of a run lie in ``checkpoints`` of its folder
            ``trainer.default_root_dir``, where all commands look for them; any other is refused.

    Attributes:
        best: which step is the best so far.
        begins_from: what ``--ckpt_path`` named, where the run begins from that; see ``medix.run_beginning``.
    """

    def __init__(
        self,
        every_n_steps: int = 10,
        keep: int = 3,
        monitor: str | None = _DEFAULT,
        mode: Literal["max", "min"] = "max",
        folder: str = FOLDER,
    ) -> None:
        for name, value in (("every_n_steps", every_n_steps), ("keep", keep)):
            if value < 1:
                raise ValueError(f"SaveCheckpoint.{name}: {value} must be at least 1")
        if folder != FOLDER:
            raise ValueError(
                f"SaveCheckpoint.folder: {folder!r}: the checkpoints of a run lie in {FOLDER} of its folder; leave the "
                "key out, and name another trainer.default_root_dir to have them elsewhere"
            )
        if mode not in ("max", "min"):
            raise ValueError(f"SaveCheckpoint.mode: {mode!r} must be 'max' or 'min'")
        if monitor is not None and monitor.startswith("test/"):
            raise ValueError(
                f"SaveCheckpoint.monitor: {monitor!r} is a metric of the test split; selecting by it invalidates the "
                "test. Give a metric of the validation split, such as val/reward"
            )
        self.every_n_steps = every_n_steps
        self.keep = keep
        self.monitor = monitor
        self.best = BestCheckpoint(monitor, mode)
        self.begins_from: str | None = None
        self._written: dict[int, str | None] | None = {}
        self._saved_step: int | None = None
        self._trains_since = time.monotonic()
        self._told_slow = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Have checkpoints written beside their final place."""
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:
            trainer.strategy.checkpoint_io = InPlaceCheckpointIO()

    # When ------------------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Rename the checkpoints of another training: of later steps, and of one that this one does not continue."""
        self._tell_unmeasured(trainer)
        step = watched(pl_module).step
        self._saved_step = step if step else None
        self._trains_since = time.monotonic()
        self.best.forget_other_kind(self._measured_with(trainer, pl_module))
        with fail_together():
            own, self._written = gather(self._begin(trainer, step) if trainer.is_global_zero else ([], {}))[0]
        folder = self._folder(trainer)
        self.best.forget_unless_in(folder, own)
        if trainer.is_global_zero:
            self.best.point_to(folder)

    def _begin(self, trainer: Trainer, step: int) -> tuple[list[int], dict[int, str | None]]:
        """Set aside what is of another training, and note from what this one begins.

        Returns:
            Steps of the checkpoints here that are of this one, and its ``lineage``.
        """
        folder = self._folder(trainer)
        given = None if trainer.ckpt_path is None else Path(trainer.ckpt_path)
        begins_from = None
        if self.begins_from is not None:
            begins_from = Beginning(self.begins_from, step, None if given is None else digest_of(given))
        forget_end(folder)
        for left in folder.glob(".*.part"):  # by a run that was killed
            delete(left)
        known = lineage(checkpoints(folder), step, given, self._written)
        own = own_checkpoints(checkpoints(folder), known)
        others = [path for number, path in checkpoints(folder) if number not in own]
        for path in others:
            set_aside(path)
        if others:
            _LOG.warning(
                "%s: %d checkpoints that the training from step %d on does not come of were renamed to superseded-*",
                folder,
                len(others),
                step,
            )
        if begins_from is not None or step == 0:  # last: checkpoints of later steps would pass for this run's
            note_beginning(folder, begins_from)
        return own, known

    def _tell_unmeasured(self, trainer: Trainer) -> None:
        """Say at the start what the first validation would end with."""
        callbacks = trainer.callbacks  # type: ignore[attr-defined]  # Lightning does not declare it
        measures = any(isinstance(one, JudgeValidation) for one in callbacks)
        if self.monitor == _DEFAULT and not measures and trainer.enable_validation and trainer.is_global_zero:
            _LOG.warning(
                "SaveCheckpoint.monitor: %s is measured by the callback JudgeValidation, which trainer.callbacks "
                "lacks; add it, or set the monitor to a metric that another callback logs, or to null to keep no best",
                self.monitor,
            )

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Compare the validation with the best so far."""
        step = watched(pl_module).step
        if self.monitor is None or trainer.state.fn != "fit" or trainer.sanity_checking or step == 0:
            return
        if self.monitor not in trainer.callback_metrics:
            known = sorted(name for name in trainer.callback_metrics if name.startswith("val/") and name.count("/") < 3)
            raise ValueError(
                f"SaveCheckpoint.monitor: {self.monitor!r} is not among the metrics of the validation: {known}; "
                "give one of them, or null to keep no best"
            )
        value = float(trainer.callback_metrics[self.monitor])
        if not math.isfinite(value):
            _LOG.warning("step %d: %s is %s and cannot be the best", step, self.monitor, value)
        else:
            self.best.compare(value, step, self._measured_with(trainer, pl_module))
        if self._saved_step == step:
            self._saved_step = None  # without this validation

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save a step that is due, the last, the best, or the one at which a signal ends the run."""
        module = watched(pl_module)
        if stop_signal.is_agreed():
            if module.step and self._saved_step != module.step:
                self._save(trainer, module.step)
            return
        if module.finished_step is None:
            return
        if module.step % self.every_n_steps == 0 or module.step >= module.max_steps or self.best.step == module.step:
            self._save(trainer, module.step)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save where training ended before ``max_steps``; else name the best and delete the old, as saving does."""
        step = watched(pl_module).step
        if step > 0:
            self._save(trainer, step)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save the last finished step where a prompt could not be made: no update was under way.

        One of several ranks cannot: the others wait for it elsewhere.
        """
        step = watched(pl_module).step
        if not isinstance(exception, FAULTS) or trainer.state.fn != "fit" or trainer.world_size > 1:
            return
        if step and self._saved_step != step:
            try:
                self._save(trainer, step)
            except OSError as error:
                _LOG.warning("%s", error)

    def _measured_with(self, trainer: Trainer, module: LightningModule) -> dict[str, Any]:
        """What the validation of this step measured with."""
        callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
        made = (one.validation for one in callbacks if isinstance(one, JudgeValidation))
        judged = [one.judged for one in made if one is not None and one.step == watched(module).step]
        return {"suite": dict(suite_of(module))} | ({"judged": judged[0]} if judged else {})

    # How -------------------------------------------------------------------------------------------------------------

    def _save(self, trainer: Trainer, step: int) -> None:
        begun = time.monotonic()
        self._write(trainer, step)
        ended = time.monotonic()
        trained, took, self._trains_since = begun - self._trains_since, ended - begun, ended
        if took > max(SLOW, trained) and trainer.is_global_zero and not self._told_slow:
            self._told_slow = True
            _LOG.warning(
                "%s: writing the checkpoint of step %d took %.0f s, and the steps since the last one %.0f s. Nothing "
                "is lost; raise SaveCheckpoint.every_n_steps, or name a trainer.default_root_dir on a faster disk",
                self._folder(trainer),
                step,
                took,
                trained,
            )

    def _write(self, trainer: Trainer, step: int) -> None:
        folder = self._folder(trainer)
        path = folder / f"step-{step:06d}.ckpt"
        part = folder / f".{path.name}.part"
        if trainer.is_global_zero:
            folder.mkdir(parents=True, exist_ok=True)
            delete(part)
        trainer.strategy.barrier("checkpoint folder")
        try:
            if self._saved_step != step:
                trainer.save_checkpoint(part)
                trainer.strategy.barrier("checkpoint written")
            if trainer.is_global_zero:
                if self._saved_step != step:
                    sync(part)
                    rename(part, path)
                    self._written = {**(self._written or {}), step: digest_of(path)}
                self.best.point_to(folder)
                self._prune(folder)
        except OSError as error:
            delete(part)
            raise OSError(
                f"{path}: the checkpoint could not be written ({error.strerror or error}); {remedy(error.errno)} or "
                f"name another trainer.default_root_dir. Until then the same command goes on {self._start(folder)}"
            ) from error
        self._saved_step = step
        trainer.strategy.barrier("checkpoint complete")

    def _start(self, folder: Path) -> str:
        """From where the same command goes on, in words."""
        saved = checkpoints(folder)
        known = latest(folder)
        began = beginning_of(folder) if self.begins_from is not None else None
        if began is not None and (not saved or saved[-1][0] <= began.step):
            return f"from {began.checkpoint}"
        return f"from {known.name}" if known else "from the beginning"

    def _prune(self, folder: Path) -> None:
        kept = checkpoints(folder)[-self.keep :]
        for number, path in checkpoints(folder):
            if (number, path) not in kept and number != self.best.step:
                delete(path)

    def _folder(self, trainer: Trainer) -> Path:
        return Path(trainer.default_root_dir) / FOLDER

    def state_dict(self) -> dict[str, Any]:
        """That of the best checkpoint, and the checkpoints of the training so far."""
        return {**self.best.state_dict(), "written": self._written}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.best.load_state_dict(state_dict)
        self._written = state_dict.get("written")


def latest(folder: str | Path) -> Path | None:
    """The newest complete checkpoint of a folder, or None.

    Only complete checkpoints have final names; a file that was damaged later is skipped with a warning.
    """
    for _, path in reversed(checkpoints(Path(folder))):
        if path.is_dir() or zipfile.is_zipfile(path):
            return path
        _LOG.warning("%s is damaged and was passed over", path)
    return None


def checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Steps and paths, oldest first; links are not counted."""
    found = ((match, path) for path in folder.glob("step-*.ckpt") if (match := _NAME.fullmatch(path.name)))
    return sorted((int(match[1]), path) for match, path in found)
