"""The callback that ends the process it runs in."""

import json
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from medix.callbacks.save_checkpoint import SaveCheckpoint
from tools.soak.moment import Moment


class EndAt(Callback):
    """Sends this process a signal at the moment that a file names, and measures the phases of a run that has none.

    A thread sends it, so that it may come in the middle of anything. ``sent-<rank>`` is written just before.

    Args:
        moment: file with a ``Moment``; without it nothing ends.
        durations: file to write the mean seconds of each phase to, and to read them from when there is a moment.
    """

    def __init__(self, moment: str, durations: str) -> None:
        self._moment = Path(moment)
        self._durations = Path(durations)
        self._rank = int(os.environ.get("RANK", "0"))
        self._occurrences: Counter[str] = Counter()
        self._began: dict[str, float] = {}
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Watch the checkpoints too: Lightning calls no hook when they are written."""
        for callback in trainer.callbacks:  # type: ignore[attr-defined]  # Lightning does not declare it
            if isinstance(callback, SaveCheckpoint):
                callback._save = self._watched(callback._save)  # type: ignore[method-assign]

    def on_phase_start(self, trainer: Trainer, module: LightningModule, name: str) -> None:
        """A phase of a training step begins."""
        self._begin(name)

    def on_phase_end(self, trainer: Trainer, module: LightningModule, name: str, seconds: float) -> None:
        """A phase of a training step ended."""
        self._end(name)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A validation begins."""
        self._begin("validation")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A validation ended."""
        self._end("validation")

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write how long the phases took, if nothing ended them."""
        if not self._moment.exists() and self._rank == 0:
            means = {name: sum(seconds) / len(seconds) for name, seconds in self._seconds.items()}
            self._durations.write_text(json.dumps(means))

    def _watched(self, save: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any) -> None:
            self._begin("checkpoint")
            save(*arguments)
            self._end("checkpoint")

        return watched

    def _begin(self, name: str) -> None:
        self._began[name] = time.perf_counter()
        self._occurrences[name] += 1
        if not self._moment.exists():
            return
        moment = Moment.read(self._moment)
        due = (moment.phase, moment.occurrence) == (name, self._occurrences[name])
        if due and moment.rank in (None, self._rank):
            usual = json.loads(self._durations.read_text()).get(name, 0.0)
            timer = threading.Timer(moment.after * usual, self._send, [moment.number])
            timer.daemon = True
            timer.start()

    def _end(self, name: str) -> None:
        self._seconds[name].append(time.perf_counter() - self._began[name])

    def _send(self, number: int) -> None:
        Path(f"sent-{self._rank}").touch()
        os.kill(os.getpid(), number)
