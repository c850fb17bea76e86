"""The folder of a run: its spec, checkpoints, records and report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from medix.callbacks.save_checkpoint import checkpoints
from medix.callbacks.save_spec import spec_in, step_of
from medix.evaluation.recorded_run import RecordedRun
from medix.modules import checkpoint as state
from medix.modules import checkpoint_file
from medix.reporting.evaluations import read_report
from medix.yaml_text import read_yaml


@dataclass(frozen=True)
class RunFolder:
    """What ``medix fit`` wrote.

    Attributes:
        path: the folder.
    """

    path: Path

    def __post_init__(self) -> None:
        if not (self.path / "spec.yaml").is_file():
            raise FileNotFoundError(
                f"RUN {self.path}: holds no spec.yaml; give the folder of a run (its trainer.default_root_dir)"
            )

    @cached_property
    def checkpoints(self) -> dict[int, Path]:
        """Complete checkpoints by step, in order."""
        return dict(checkpoints(self.path / "checkpoints"))

    @cached_property
    def recorded_steps(self) -> list[int]:
        """Training steps whose completions are on record, in order; none without records."""
        if not (self.path / "completions").is_dir():
            return []
        try:
            files = RecordedRun.find(self.path).files
        except FileNotFoundError:
            return []
        found: set[int] = set()
        for path in files:
            with path.open("rb") as lines:  # a whole record takes many times as long to read
                found.update(step for line in lines if (step := _step(line)) is not None)
        return sorted(found)

    @cached_property
    def report(self) -> Mapping[str, Any]:
        """Its ``report.json``; empty if there is none that can be read."""
        return read_report(self.path)

    def checkpoint(self, step: int) -> dict[str, Any]:
        """The content of a checkpoint.

        Raises:
            ValueError: it is damaged, or was not written by ``medix fit``.
        """
        path = self.checkpoints[step]
        if path.is_dir():
            raise ValueError(f"{path}: is a folder of a sharded strategy, which is not read; give a run of one process")
        saved = checkpoint_file.read(path)
        if state.KEY not in saved:
            raise ValueError(f"{path}: holds no medix state; it was not written by medix fit")
        return saved

    def spec_after(self, step: int, saved: Mapping[str, Any]) -> dict[str, Any]:
        """The spec of the steps after a checkpoint, which is another one where the run was resumed with changes.

        Args:
            step: of the checkpoint.
            saved: its content.
        """
        changed = self.path / f"spec.from-step-{step:06d}.yaml"
        held = None if changed.is_file() else spec_in(saved)
        path = changed if changed.is_file() else self.path / "spec.yaml"
        spec: dict[str, Any] = read_yaml(path.read_text(encoding="utf-8") if held is None else held)
        return spec

    @property
    def resumed_with_changes(self) -> list[int]:
        """The steps after which it went on with another spec, in order."""
        return [step_of(path) for path in self.specs[1:]]

    @property
    def specs(self) -> list[Path]:
        """The spec, and those with which it was resumed, in order."""
        return [self.path / "spec.yaml", *sorted(self.path.glob("spec.from-step-*.yaml"), key=step_of)]


def _step(line: bytes) -> int | None:
    """The step of a record; None for a line that was cut."""
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return None
