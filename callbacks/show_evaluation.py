"""Progress of ``validate``, ``test`` and ``predict``."""

import sys
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from medix.types import PromptBatch

_LINES = 10


class ShowEvaluation(Callback):
    """Shows how many samples of an evaluation have been answered.

    On a terminal a bar is updated in place; elsewhere about ten lines are printed in all. Only rank 0 prints. In
    ``fit``, ``ShowProgress`` shows validations.

    Args:
        total: number of samples of the split, over all ranks.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._progress: Progress | None = None
        self._told = self._first = 0
        self._started = 0.0

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the display."""
        self._told, self._started = 0, time.perf_counter()
        self._first = getattr(trainer.datamodule, "predict_from", 0)  # type: ignore[attr-defined]
        if trainer.is_global_zero and sys.stdout.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._progress = Progress(*columns, TimeRemainingColumn(), console=Console(), transient=True)
            self._progress.add_task("samples", total=self.total)
            self._progress.start()

    on_validation_start = on_test_start = on_predict_start

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: PromptBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Show the samples up to the end of this batch, those of the other ranks included."""
        done = batch.next_index
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=done)
        elif trainer.is_global_zero and done * _LINES // self.total > self._told:
            self._told = done * _LINES // self.total
            seconds = time.perf_counter() - self._started
            left = seconds / max(1, done - self._first) * (self.total - done)
            sys.stdout.write(f"medix: {done:,} of {self.total:,} samples, {left:.0f} s left\n")
            sys.stdout.flush()

    on_validation_batch_end = on_test_batch_end = on_predict_batch_end

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Close the display."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    on_validation_end = on_test_end = on_predict_end

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Release the terminal before the error is shown."""
        self.on_predict_end(trainer, pl_module)
