"""The best checkpoint of a training by a metric of its validations, and its name in the folder of the run."""

import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from medix.evaluation.validation import incomparable
from medix.files.atomic_file import write_atomically
from medix.files.checkpoint_content import digest_of
from medix.files.durable_files import copy, delete, rename

_LOG = logging.getLogger(__name__)


class BestCheckpoint:
    """Which step is the best so far.

    Args:
        monitor: metric of the validation split; None keeps no best.
        mode: whether a larger (``max``) or smaller (``min``) value is better.

    Attributes:
        step: that is the best; None without one.
        value: of the monitor at that step.
        chosen_by: what the value means: monitor and mode, and with what the validation measured.
    """

    def __init__(self, monitor: str | None, mode: Literal["max", "min"]) -> None:
        self.monitor = monitor
        self.mode = mode
        self.step: int | None = None
        self.value: float | None = None
        self.chosen_by: dict[str, Any] = {}

    def compare(self, value: float, step: int, measured_with: Mapping[str, Any]) -> None:
        """Compare a validation with the best so far.

        Args:
            value: of the monitor; finite.
            step: that was validated.
            measured_with: rewards, judge, sampling, prompts, precision and samples of the validation.
        """
        self.forget_other_kind(measured_with)
        if self.value is None or (value > self.value if self.mode == "max" else value < self.value):
            self.value, self.step, self.chosen_by = value, step, self._criterion(measured_with)

    def forget_other_kind(self, measured_with: Mapping[str, Any]) -> None:
        """Choose the best anew if values of the monitor now mean something else than when it was chosen."""
        earlier, present = self.chosen_by, self._criterion(measured_with)
        if self.step is None or not earlier:
            return
        found = [f"another {name}" for name in ("monitor", "mode") if earlier[name] != present[name]]
        if found := found + incomparable(earlier, present):
            self._forget(f" was chosen with {' and '.join(found)}, so that its value is not compared with later ones")

    def forget_unless_in(self, folder: Path, own: Collection[int]) -> None:
        """Choose the best anew if its checkpoint is not here, as in a training that goes on from another folder's.

        Args:
            folder: of the checkpoints.
            own: steps of those in it that are of this training.
        """
        if self.step is not None and self.step not in own:
            self._forget(f", which training has had so far, is not in {folder}")

    def point_to(self, folder: Path) -> None:
        """Let ``best.ckpt`` and ``best.json`` in the folder of the checkpoints name the best, if it is there."""
        link, facts = folder / "best.ckpt", folder / "best.json"
        target = folder / f"step-{self.step or 0:06d}.ckpt"
        if not target.exists():
            delete(link)
            delete(facts)
            return
        entry = {"step": self.step, "monitor": self.monitor, "mode": self.mode, "value": self.value}
        text = json.dumps(entry, indent=2) + "\n"
        if (
            facts.exists()
            and facts.read_bytes() == text.encode()
            and link.exists()
            and digest_of(link) == digest_of(target)
        ):
            return
        part = folder / ".best.ckpt.part"
        delete(part)
        try:
            part.symlink_to(target.name)
        except OSError:  # a file system without links
            copy(target, part)
        rename(part, link)
        write_atomically(facts, text)

    def state_dict(self) -> dict[str, Any]:
        """Step, value, and what the value means."""
        return {"best_value": self.value, "best_step": self.step, "chosen_by": self.chosen_by}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.value, self.step = state_dict["best_value"], state_dict["best_step"]
        self.chosen_by = dict(state_dict.get("chosen_by") or {})

    def _criterion(self, measured_with: Mapping[str, Any]) -> dict[str, Any]:
        return {"monitor": self.monitor, "mode": self.mode, **measured_with}

    def _forget(self, why: str) -> None:
        _LOG.warning(
            "the best checkpoint is chosen anew: that of step %d (%s = %.6g)%s",
            self.step,
            self.chosen_by.get("monitor", self.monitor),
            self.value,
            why,
        )
        self.value = self.step = None
