"""Writes a checkpoint of a run as a Hugging Face folder."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from medix.callbacks.save_spec import spec_in
from medix.callbacks.stretches import stretches_in, told
from medix.cli import build_module
from medix.export.asking import asking_of
from medix.export.card import model_card
from medix.files.training_folder import in_training_folder
from medix.modules import checkpoint as state
from medix.modules import checkpoint_file
from medix.modules.group_rl import GroupRLModule
from medix.policy.export import export
from medix.policy.vision_language import VisionLanguagePolicy
from medix.spec.spec_fault import read_spec
from medix.spec.trainer_keys import long_form


def export_checkpoint(checkpoint: Path, output: Path, spec: Path | None = None) -> None:
    """Export one checkpoint; nothing is left behind if it fails.

    Args:
        checkpoint: a file that ``medix fit`` wrote.
        output: folder to write; must not exist.
        spec: what the checkpoint was trained with; by default the spec that the checkpoint holds, or ``spec.yaml`` of
            its run if it was written before checkpoints held one.

    Raises:
        ValueError: the output exists, or the checkpoint is damaged or does not fit the spec.
        OSError: a file is missing.
    """
    if output.exists():
        raise ValueError(f"--output {output}: exists already; name a folder that does not")
    output = output.absolute()
    with trained(checkpoint, spec) as found:
        module = found.module
        asking = asking_of(module.prompting, module.evaluation, module.policy.processor)
        card = model_card(
            module, found.spec, step=found.step, validations=found.validations, asking=asking, stretches=found.stretches
        )
        export(found.policy, output, card, asking)


@dataclass(frozen=True)
class Trained:
    """What a checkpoint was trained with, its weights loaded.

    Attributes:
        module: built from the spec.
        policy: its policy.
        spec: the resolved spec.
        step: steps trained.
        validations: those of the run up to this step, as plain data; empty without ``WriteReport``.
        stretches: steps of the run, and what changed where they began; empty for a run under one condition.
    """

    module: GroupRLModule
    policy: VisionLanguagePolicy
    spec: dict[str, Any]
    step: int
    validations: Sequence[Mapping[str, Any]]
    stretches: Sequence[tuple[str, str]] = ()


@contextlib.contextmanager
def trained(checkpoint: Path, spec: Path | None = None) -> Iterator[Trained]:
    """Load a checkpoint; inside, the working directory is that of its training run.

    Args:
        checkpoint: a file that ``medix fit`` wrote.
        spec: what it was trained with; by default the spec that the checkpoint holds, or ``spec.yaml`` of its run if it
            was written before checkpoints held one.

    Raises:
        ValueError: the checkpoint is damaged or does not fit the spec.
        OSError: a file is missing.
    """
    if not checkpoint.is_file():
        raise FileNotFoundError(f"--checkpoint {checkpoint}: there is no such file; give one that medix fit wrote")
    run = checkpoint.resolve().parent.parent
    saved = checkpoint_file.read(checkpoint)
    held = spec_in(saved) if spec is None else None
    spec = spec or run / "spec.yaml"
    if held is None and not spec.is_file():
        raise FileNotFoundError(
            f"--config {spec}: there is no such spec; name the one that the checkpoint was trained with"
        )
    with tempfile.TemporaryDirectory() as folder:
        if held is not None:  # a run that was continued with changes has several files, and only one is this one's
            spec = Path(folder) / "spec.yaml"
            spec.write_text(held, encoding="utf-8")
        spec, checkpoint = spec.absolute(), checkpoint.absolute()
        settings = read_spec(spec)
        if not isinstance(settings, dict):
            raise ValueError(f"--config {spec}: holds no keys; name the spec that the checkpoint was trained with")
        with in_training_folder(run, settings):
            module = build_module(spec)
            policy = module.policy
            if not isinstance(policy, VisionLanguagePolicy):
                raise ValueError(f"model.policy: a {type(policy).__name__} has no Hugging Face folder to write")
            if held is not None:
                _check_template(module, saved)
            load_weights(module, saved, str(checkpoint))
            if long_form((settings.get("trainer") or {}).get("precision")) == "bf16-true":
                policy.to(torch.bfloat16)  # as in training: frozen weights and merged ones are rounded to it
            step = saved[state.KEY]["step"]
            yield Trained(module, policy, settings, step, _validations(saved), told(stretches_in(saved), step))


def _check_template(module: GroupRLModule, saved: Mapping[str, Any]) -> None:
    """Refuse a prompt template whose file was edited since: the policy would be asked otherwise than in training."""
    if state.template_differs(saved, {"template": module.prompting.template_identity}):
        raise ValueError(
            f"model.prompting.template: {module.prompting.template} is another text than when the checkpoint was "
            "written, so that the model would be asked otherwise than in training; restore it, or export with "
            "--config and that spec to ask by the present text"
        )


def _validations(saved: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What ``WriteReport``, or a class of it, has recorded in the checkpoint.

    The run's ``report.json`` may be of other weights: of a run that went on from an earlier step.
    """
    states = (saved.get("callbacks") or {}).values()
    return next((entry["validations"] for entry in states if isinstance(entry, dict) and "validations" in entry), ())


def load_weights(module: GroupRLModule, saved: dict[str, Any], name: str) -> None:
    """Load the policy and put the trained weights of a checkpoint into it, without a trainer.

    Args:
        module: built from the spec; its weights are not loaded yet.
        saved: content of the checkpoint.
        name: of the checkpoint, for error messages.

    Raises:
        SpecMismatchError: the checkpoint comes from another spec.
    """
    if state.KEY not in saved:
        raise state.SpecMismatchError(f"{name} holds no medix state: it was not written by medix fit")
    state.check_fingerprint(saved[state.KEY]["fingerprint"], module.fingerprint(), name)
    try:
        module.configure_model()
    except ValueError as error:
        raise ValueError(
            f"{error}\nA relative path in a spec counts from the folder in which fit ran; go there to export"
        ) from error
    missing = {n for n, p in module.named_parameters() if p.requires_grad} - set(saved["state_dict"])
    unexpected = module.load_state_dict(saved["state_dict"], strict=False).unexpected_keys
    if missing or unexpected:
        raise state.SpecMismatchError(
            f"{name} does not hold the weights of this policy: {len(missing)} are missing {sorted(missing)[:3]}, "
            f"{len(unexpected)} are unknown {unexpected[:3]}; give the spec it was trained with"
        )
