"""Saves the spec of a run."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from medix.callbacks.save_checkpoint import latest
from medix.callbacks.spec_changes import Change, changes, differences, refuse
from medix.callbacks.watched import watched
from medix.yaml_text import read_yaml, read_yaml_file

OF_A_COMMAND = ("ckpt_path", "weights_only", "output")
"""Keys that concern one command rather than the run."""


class SaveSpec(SaveConfigCallback):
    """Saves the resolved spec as ``spec.yaml`` in the run's folder, and beside it each spec that a resume changes.

    The last of them is the spec that the run goes on with; those of later steps, from which it does not go on, are
    renamed to ``superseded-*``, as checkpoints are. Every checkpoint holds the spec as well, so that a resumed run can
    tell what changed since.
    """

    def __init__(self, parser: Any, config: Any, **kwargs: Any) -> None:
        super().__init__(parser, config, save_to_log_dir=False, **kwargs)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write nothing yet: a run that fails before its weights are loaded leaves no files."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the spec once policy, data and checkpoint are loaded."""
        super().setup(trainer, pl_module, "fit")

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the spec; say which keys a resumed run changes."""
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        step, text, last = watched(pl_module).step, self.text(), folder / "spec.yaml"
        is_resumed = latest(folder / "checkpoints") is not None and last.exists()
        for path in sorted(folder.glob("spec.from-step-*.yaml")):
            if is_resumed and step_of(path) <= step:
                last = path
            else:
                path.replace(path.with_name(f"superseded-{path.name}"))
        if not is_resumed:  # without a checkpoint there is no run to resume
            _write(last, text)
            return
        changed = sorted(key for key, *_ in differences(read_yaml_file(last).content, read_yaml(text)))
        if changed:
            path = folder / f"spec.from-step-{step:06d}.yaml"
            _write(path, text)
            sys.stdout.write(f"medix: the spec differs from {last} in {', '.join(changed)}; saved as {path}\n")

    def text(self) -> str:
        """The resolved spec, without the keys of one command."""
        spec = self.config.clone()
        for key in OF_A_COMMAND:
            spec.pop(key, None)
        return str(self.parser.dump(spec, skip_unset=False))

    def state_dict(self) -> dict[str, Any]:
        """The spec that the checkpoint was written with."""
        return {"spec": self.text()}

    def changed_since(self, checkpoint: Mapping[str, Any], path: Path) -> list[Change]:
        """The keys that this run changes, none of which it may not.

        Args:
            checkpoint: content of the checkpoint.
            path: its file, whose run has the spec if the checkpoint was written before it held one.

        Raises:
            SpecChangeError: a key that cannot change.
        """
        saved = spec_in(checkpoint)
        if saved is None:
            beside = path.resolve().parent.parent / "spec.yaml"
            saved = beside.read_text(encoding="utf-8") if beside.is_file() else None
        if saved is None:
            return []
        found = changes(read_yaml(saved), read_yaml(self.text()))
        refuse(found, path.name)
        return found


def spec_in(checkpoint: Mapping[str, Any]) -> str | None:
    """The spec that a checkpoint holds; None if it was written before checkpoints held one."""
    text: str | None = (checkpoint.get("callbacks") or {}).get(SaveSpec.__qualname__, {}).get("spec")
    return text


def step_of(path: Path | None) -> int:
    """The step in the name of a checkpoint or a spec; 0 without one."""
    return 0 if path is None else int(path.stem.rpartition("-")[2])


def _write(path: Path, text: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
