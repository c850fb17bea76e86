"""The folder of a run: its spec, checkpoints, records and report."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from medix.callbacks.save_checkpoint import checkpoints
from medix.callbacks.save_spec import spec_in, step_of
from medix.callbacks.spec_changes import Change, changes
from medix.evaluation.recorded_run import RecordedRun
from medix.modules import checkpoint as state
from medix.modules import checkpoint_file
from medix.reporting.record_check import MAPPING_OR_NULL, check_fields
from medix.studies.recorded_steps import lines_by_step
from medix.studies.run_report import read_run_report
from medix.yaml_text import read_yaml, read_yaml_file

_REMEDY = "restore it; if that cannot be, move it out of the folder, and curves and tables are left out"
_CHECKPOINT = (
    "Restore it; if that cannot be, move it out of the folder: other checkpoints are then used. The report, the "
    "records and the other checkpoints of the run stay as they are"
)


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

    @property
    def recorded_steps(self) -> list[int]:
        """Training steps whose completions are on record, in order; none without records."""
        return sorted(self._recorded_lines)

    @property
    def repeated_lines(self) -> dict[int, int]:
        """Lines of the record that repeat an earlier one, by step; steps without any are left out."""
        return {step: repeated for step in self.recorded_steps if (repeated := self._recorded_lines[step])}

    @cached_property
    def _recorded_lines(self) -> Mapping[int, int]:
        """By step, how many of its lines stand twice."""
        if not (self.path / "completions").is_dir():
            return {}
        try:
            files = RecordedRun.find(self.path).files
        except FileNotFoundError:
            return {}
        return lines_by_step(files)

    @cached_property
    def report(self) -> Mapping[str, Any]:
        """Its ``report.json``; empty if there is none.

        Raises:
            ValueError: it is damaged; as ``read_run_report``.
        """
        try:
            return read_run_report(self.path, _REMEDY)
        except FileNotFoundError:
            return {}

    def spec_in(self, path: Path) -> dict[str, Any]:
        """The content of one of its files of specs.

        Raises:
            ValueError: it is not YAML, or it or one of its blocks is no mapping.
        """
        content = read_yaml_file(path).content
        if not isinstance(content, dict):
            raise ValueError(f"{path}: {content!r:.60} is not the spec of a run, which is a mapping; restore the file")
        try:
            check_fields(content, dict.fromkeys(("trainer", "data", "model"), MAPPING_OR_NULL))
        except ValueError as error:
            raise ValueError(f"{path}: {error}; restore the file") from error
        return content

    def checkpoint(self, step: int) -> dict[str, Any]:
        """The content of a checkpoint.

        Raises:
            ValueError: it is damaged, or was not written by ``medix fit``.
        """
        path = self.checkpoints[step]
        if path.is_dir():
            raise ValueError(f"{path}: is a folder of a sharded strategy, which is not read; give a run of one process")
        saved = checkpoint_file.read(path, remedy=_CHECKPOINT)
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
        if held is None:
            return self.spec_in(changed if changed.is_file() else self.path / "spec.yaml")
        spec: dict[str, Any] = read_yaml(held)
        return spec

    def suite_after(self, step: int) -> dict[str, str]:
        """With what the steps after a checkpoint were scored, as the next one states; empty if there is none."""
        later = next((one for one in self.checkpoints if one > step), None)
        return {} if later is None else dict(self.checkpoint(later)[state.KEY].get("suite", {}))

    @cached_property
    def altered_specs(self) -> list[tuple[Path, int, Change]]:
        """What the files of specs say otherwise than the runs that wrote them: file, step of the checkpoint, key.

        Every checkpoint holds the spec that it was written with. For each file the newest checkpoint of its steps is
        asked; a file whose checkpoints are gone cannot be compared.

        Raises:
            ValueError: such a checkpoint, or the file, is damaged.
        """
        newest = {next(path for path in reversed(self.specs) if _after(path) < step): step for step in self.checkpoints}
        found = []
        for path, step in newest.items():
            held = spec_in(self.checkpoint(step))
            if held is not None:
                found += [(path, step, one) for one in changes(read_yaml(held), self.spec_in(path))]
        return found

    @property
    def resumed_with_changes(self) -> list[int]:
        """The steps after which it went on with another spec, in order."""
        return [step_of(path) for path in self.specs[1:]]

    @property
    def specs(self) -> list[Path]:
        """The spec, and those with which it was resumed, in order."""
        return [self.path / "spec.yaml", *sorted(self.path.glob("spec.from-step-*.yaml"), key=step_of)]


def _after(spec: Path) -> int:
    """The last step before those that the file of a spec is of; -1 for that of the beginning."""
    return -1 if spec.name == "spec.yaml" else step_of(spec)
