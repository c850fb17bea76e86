"""A progress display: step, phase, times and reward."""

import math
import sys
import threading
import time
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar as Bar
from rich.table import Table
from rich.text import Text

from medix.callbacks.run_facts import split_label
from medix.callbacks.watched import watched
from medix.distributed import all_reduce
from medix.evaluation.validation import Validation
from medix.modules.record import StepRecord
from medix.reporting.table import number
from medix.types import Completion, Prompt


class ShowProgress(Callback):
    """Shows steps with the remaining time, the present phase with its time, the last reward (the mean over
    the completions of a step, of all ranks), and completions so far.

    On a terminal the lines are updated in place; elsewhere (a log file, a notebook cell, ``| tee``) each finished step
    prints one line. Only rank 0 prints. Lightning's own progress bar counts loader batches; set
    ``trainer.enable_progress_bar: false``, or the two overwrite each other.

    Args:
        refresh_per_second: how often the lines are updated on a terminal.
        every_n_steps: steps between printed lines, if there is no terminal.
    """

    def __init__(self, refresh_per_second: float = 4.0, every_n_steps: int = 1) -> None:
        if refresh_per_second <= 0:
            raise ValueError(f"ShowProgress.refresh_per_second: {refresh_per_second} must be above 0")
        if every_n_steps < 1:
            raise ValueError(f"ShowProgress.every_n_steps: {every_n_steps} must be at least 1")
        self.refresh_per_second = refresh_per_second
        self.every_n_steps = every_n_steps
        self.completions = 0
        self._speaks = True
        self._live: Live | None = None
        self._lock = threading.Lock()
        self._phase, self._phase_since = "starting", 0.0
        self._started = 0.0
        self._first_step = self._step = self._max_steps = 0
        self._reward = math.nan
        self._validated = ""
        self._seconds: dict[str, float] = {}

    # What is heard ---------------------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the display."""
        self._speaks = trainer.is_global_zero
        module = watched(pl_module)
        self._started, self._first_step = time.perf_counter(), module.step
        self._step, self._max_steps = module.step, module.max_steps
        self._enter("waiting for data")
        if self._speaks and sys.stdout.isatty():
            self._live = Live(get_renderable=self._render, refresh_per_second=self.refresh_per_second)
            self._live.start()

    def on_phase_start(self, trainer: Trainer, pl_module: LightningModule, name: str) -> None:
        """Show the phase."""
        self._enter(name)

    def on_phase_end(self, trainer: Trainer, pl_module: LightningModule, name: str, seconds: float) -> None:
        """Reset the phase."""
        self._enter("between phases")

    def on_completion(self, prompt: Prompt, completion: Completion) -> None:
        """Count a completion; may be called from any thread."""
        with self._lock:
            self.completions += 1

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Show validation as a phase."""
        self._enter("validation")

    def on_judged(self, trainer: Trainer, pl_module: LightningModule, validation: Validation) -> None:
        """Show the results of the last validation."""
        overall = validation.overall
        if not self._speaks:
            return
        accuracy = number(overall.accuracy.estimate, percent=True)
        means = f"reward {number(overall.reward.estimate)}, accuracy {accuracy}"
        mark = " with images exchanged" if validation.exchanged else ""
        self._validated = f"{split_label(trainer, validation.split)}{mark}: {means}"
        if self._live is None:
            unscored = f"{number(overall.unscored, percent=True)} unscored"
            counts = f"{overall.completions} completions, {unscored}, {_duration(validation.seconds)}"
            self._say(f"step {validation.step}  {self._validated}  ({counts})")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Return to the training phase."""
        self._enter("between phases")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Show the step that ended, if one did."""
        finished = watched(pl_module).finished_step
        if finished is None:
            self._enter("more rollouts for the step")
            return
        totals = [total for group in finished.scored for total in group.totals if not math.isnan(total)]
        total, count = all_reduce([math.fsum(totals), len(totals)], "sum", pl_module.device)  # once a step
        self._reward = total / count if count else math.nan
        self._step, self._seconds = finished.step, dict(finished.seconds)
        due = finished.step % self.every_n_steps == 0 or finished.step == self._max_steps
        if self._speaks and self._live is None and due:
            self._say(self._line(finished))
        self._enter("waiting for data")

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop the display and leave its last state on the terminal."""
        self._enter("finished")
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Release the terminal before the error is shown."""
        self._stop()

    # What is shown ---------------------------------------------------------------------------------------------------

    def _enter(self, phase: str) -> None:
        self._phase, self._phase_since = phase, time.perf_counter()

    def _left(self) -> str:
        done = self._step - self._first_step
        if done < 1:
            return "time left unknown"
        seconds = (time.perf_counter() - self._started) / done * (self._max_steps - self._step)
        return f"{_duration(seconds)} left"

    def _line(self, finished: StepRecord) -> str:
        phases = ", ".join(f"{name} {seconds:.1f}s" for name, seconds in finished.seconds.items())
        reward = "unscored" if math.isnan(self._reward) else number(self._reward)
        width = len(str(self._max_steps))
        return f"step {finished.step:>{width}}/{self._max_steps}  reward {reward}  {phases}  {self._left()}"

    def _render(self) -> Group:
        head = Table.grid(padding=(0, 2))
        bar = Bar(total=max(1, self._max_steps), completed=self._step, width=40)
        elapsed = _duration(time.perf_counter() - self._started)
        head.add_row(
            Text("Training", style="bold"), bar, f"{self._step}/{self._max_steps} steps", elapsed, self._left()
        )
        phase = f"{self._phase} {time.perf_counter() - self._phase_since:.0f}s"
        parts = [phase]
        if not math.isnan(self._reward):
            parts.append(f"reward {number(self._reward)}")
        if self.completions:
            parts.append(f"{self.completions:,} completions")
        if self._validated:
            parts.append(self._validated)
        last = "  ".join(f"{name} {seconds:.1f}s" for name, seconds in self._seconds.items())
        present = Text("  " + "  ·  ".join(parts), style="cyan")
        return Group(head, present, Text(f"  last step: {last}", style="dim")) if last else Group(head, present)

    def _say(self, line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    def _stop(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def _duration(seconds: float) -> str:
    """``1:05`` or ``2:03:04``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
