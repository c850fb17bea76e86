"""Saves the spec of a run."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.cli import SaveConfigCallback

from medix.callbacks.earlier_run import set_earlier_run_aside, set_later_results_aside
from medix.callbacks.save_checkpoint import checkpoints, latest
from medix.callbacks.spec_changes import MEASURES, Change, as_measured, changes, differences, refuse
from medix.callbacks.stretches import Stretch, told, with_stretch
from medix.callbacks.watched import suite_of, watched
from medix.evaluation.validation import incomparable
from medix.files.atomic_file import write_atomically
from medix.files.durable_files import set_aside
from medix.modules import checkpoint as state
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
        self.stretches: list[Stretch] = []
        """Of the run so far."""
        self._text = ""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write nothing yet: a run that fails before its weights are loaded leaves no files."""

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Save the spec once policy, data and checkpoint are loaded, and note under which conditions it goes on."""
        self.stretches = with_stretch(
            self.stretches, watched(pl_module).step, self.text(), suite_of(pl_module), state.header()
        )
        super().setup(trainer, pl_module, "fit")

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Write the spec; say which keys a resumed run changes."""
        folder = Path(trainer.default_root_dir)
        folder.mkdir(parents=True, exist_ok=True)
        step, text, last = watched(pl_module).step, self.text(), folder / "spec.yaml"
        if renamed := set_earlier_run_aside(trainer, checkpoints(folder / "checkpoints")):
            sys.stdout.write(
                f"medix: {folder} holds another training than that of {trainer.ckpt_path}: renamed to superseded-*: "
                f"{', '.join(renamed)}\n"
            )
        is_resumed = latest(folder / "checkpoints") is not None and last.exists()
        if is_resumed and (later := set_later_results_aside(trainer, step)):
            sys.stdout.write(
                f"medix: {folder} holds results of later steps than {step}, from which training goes on: renamed to "
                f"superseded-*: {', '.join(later)}\n"
            )
        for path in sorted(folder.glob("spec.from-step-*.yaml")):
            if is_resumed and step_of(path) <= step:
                last = path
            else:
                set_aside(path)
        if not is_resumed:  # without a checkpoint there is no run to resume
            write_atomically(last, text)
            return
        changed = sorted(key for key, *_ in differences(read_yaml_file(last).content, read_yaml(text)))
        if changed:
            path = folder / f"spec.from-step-{step:06d}.yaml"
            write_atomically(path, text)
            sys.stdout.write(f"medix: the spec differs from {last} in {', '.join(changed)}; saved as {path}\n")

    def text(self) -> str:
        """The resolved spec, without the keys of one command.

        Written out once: it takes longer than a small step, and every checkpoint holds it.
        """
        if not self._text:
            spec = self.config.clone()
            for key in OF_A_COMMAND:
                spec.pop(key, None)
            self._text = str(self.parser.dump(spec, skip_unset=False))
        return self._text

    def state_dict(self) -> dict[str, Any]:
        """The spec that the checkpoint was written with, and the stretches of the run."""
        return {"spec": self.text(), "stretches": self.stretches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the stretches of the run."""
        self.stretches = list(state_dict.get("stretches") or [])

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

    def otherwise(self, checkpoint: Mapping[str, Any]) -> list[str]:
        """What this command measures a checkpoint with that its training did not validate with; empty for the same."""
        saved = spec_in(checkpoint)
        specs = [] if saved is None else [as_measured(read_yaml(text)) for text in (saved, self.text())]
        found = changes(*specs) if specs else []
        return [one.values for one in found if MEASURES.fullmatch(one.key)]


def consequences(checkpoint: Mapping[str, Any], suite: Mapping[str, str]) -> str:
    """What a resumed run does because it measures otherwise than the run of its checkpoint; empty if it does not.

    Args:
        checkpoint: content of the checkpoint.
        suite: identity of what this run measures with, by which groups and validations are compared too.
    """
    saved = checkpoint.get(state.KEY, {}).get("suite", {})
    found = incomparable({"suite": saved}, {"suite": suite})
    said = ["groups that wait are scored again"] if state.scores_differ(saved, suite) else []
    if found:
        said.append(f"earlier validations are not compared with later ones, which are made with {' and '.join(found)}")
    return ", and ".join(said)


def changed_spec(trainer: Trainer, step: int) -> dict[str, str]:
    """For a report: what changed at each resume, by the steps from there on; empty for a run under one spec."""
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]
    saved = next((one for one in callbacks if isinstance(one, SaveSpec)), None)
    return {} if saved is None else {f"Steps {steps}": changed for steps, changed in told(saved.stretches, step)}


def spec_in(checkpoint: Mapping[str, Any]) -> str | None:
    """The spec that a checkpoint holds; None if it was written before checkpoints held one."""
    text: str | None = (checkpoint.get("callbacks") or {}).get(SaveSpec.__qualname__, {}).get("spec")
    return text


def step_of(path: Path | None) -> int:
    """The step in the name of a checkpoint or a spec; 0 without one."""
    return 0 if path is None else int(path.stem.rpartition("-")[2])
