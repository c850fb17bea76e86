"""Facts about a run, for its report."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from medix import __version__
from medix.callbacks.watched import reward_judges, watched
from medix.data.datamodule import ShardDataModule
from medix.data.slice_sizes import slice_sizes

_NOTHING_SHARED = "no sample, case, image or text-only question in common"
_PACKAGES = ("torch", "transformers", "lightning", "torchmetrics", "peft", "vllm")


def versions() -> dict[str, str]:
    """Versions of the installed packages that a run uses."""
    found = {"medix": __version__, "Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def run_facts(trainer: Trainer, module: LightningModule, judge: str) -> dict[str, str]:
    """Policy, algorithm, sizes, sampling, judge, seeds, data and device, by label.

    Facts that another kind of module or data module does not have are left out.

    Args:
        trainer: the trainer.
        module: the module.
        judge: identity of the validation judge.
    """
    part = _Parts(module)
    sampling, evaluation = part("engine.sampling"), part("evaluation")
    facts = {
        "Policy": _policy(module),
        "Trained parameters": _parameters(module),
        "Loss": _name(part("loss")),
        "Advantage": _name(part("advantage")),
        "Steps": str(watched(module).max_steps),
        "Prompts per step": str(part("prompts_per_step") or ""),
        "Prompts per update": str(part("update.prompts_per_update") or ""),
        "Training sampling": sampling_text(sampling),
        "Validation sampling": sampling_text(evaluation),
        "Judge of the validation": judge,
        "Judge of the rewards": ", ".join(reward_judges(module)),
        "Seed": ", ".join(
            text
            for text in (
                f"run {os.environ['PL_GLOBAL_SEED']}" if "PL_GLOBAL_SEED" in os.environ else "",
                f"sampling {sampling.seed}" if sampling is not None else "",
            )
            if text
        ),
        "Device": f"{trainer.world_size} x {module.device.type}, {trainer.precision}",
    }
    facts |= _data(trainer.datamodule)  # type: ignore[attr-defined]  # Lightning does not declare it
    return {label: value for label, value in facts.items() if value}


def run_head(trainer: Trainer, module: LightningModule, facts: Mapping[str, str]) -> dict[str, str]:
    """What the head of a report says of a run: its name, policy and data.

    Args:
        trainer: the trainer.
        module: the module.
        facts: those of ``run_facts``.
    """
    policy = getattr(getattr(module, "policy", None), "name", "") or facts.get("Policy", "")
    head = {
        "Run": Path(trainer.default_root_dir).resolve().name,
        "Policy": str(policy),
        "Trained on": facts.get("Data, train", ""),
        "Validated on": facts.get("Data, val", ""),
    }
    return {label: value for label, value in head.items() if value}


def split_label(trainer: Trainer, split: str = "val") -> str:
    """What tables call a split: ``held out`` only where the data module has compared it with the training data."""
    datamodule = trainer.datamodule  # type: ignore[attr-defined]  # Lightning does not declare it
    if isinstance(datamodule, ShardDataModule):
        return datamodule.label(split)
    return {"val": "validation"}.get(split, split)


def _data(datamodule: Any) -> dict[str, str]:
    """Names and sizes of the manifests of each split, and what two of them share."""
    if not hasattr(datamodule, "manifests"):
        return {}
    facts = {f"Data, {name}": text for name, text in data_sizes(datamodule, ("train", "val", "test")).items()}
    if isinstance(datamodule, ShardDataModule) and (overlap := datamodule.overlaps.of("val")) is not None:
        facts["Validation and training data"] = (
            "; ".join(
                filter(
                    None,
                    (
                        overlap.overlap_message(),
                        *map(str, overlap.incomparable_advice()),
                        overlap.missing_message(),
                        overlap.doubt and str(overlap.same_names_advice() or ""),
                    ),
                )
            )
            or _NOTHING_SHARED
        )
    return facts


def data_sizes(datamodule: Any, splits: Sequence[str]) -> dict[str, str]:
    """Data sets and numbers of samples of the manifests of each split that is given."""
    found = {}
    for split in splits:
        if getattr(datamodule, "paths", {}).get(split):
            sizes: dict[str, int] = {}
            for manifest in datamodule.manifests(split):  # one per modality, of one name
                name = f"{manifest.name} of {manifest.dataset}" if manifest.names_dataset else manifest.name
                sizes[name] = sizes.get(name, 0) + manifest.samples
            found[split] = ", ".join(f"{name} ({size:,} samples)" for name, size in sizes.items())
            used = len(datamodule.stream(split)) if isinstance(datamodule, ShardDataModule) else sum(sizes.values())
            if used != sum(sizes.values()):
                found[split] += f"; {used:,} of these are used"
    return found


def training_sizes(trainer: Trainer) -> dict[tuple[str, str], int]:
    """Training samples by modality, source and data set, as far as they are known without reading shards."""
    datamodule = trainer.datamodule  # type: ignore[attr-defined]  # Lightning does not declare it
    if not isinstance(datamodule, ShardDataModule) or not datamodule.paths["train"]:
        return {}
    return slice_sizes(datamodule.stream("train"))


class _Parts:
    """Dotted attributes of an object, None where one is missing."""

    def __init__(self, whole: Any) -> None:
        self.whole = whole

    def __call__(self, path: str) -> Any:
        value = self.whole
        for name in path.split("."):
            value = getattr(value, name, None)
        return value


def _policy(module: LightningModule) -> str:
    fingerprint: Any = getattr(getattr(module, "policy", None), "fingerprint", None)
    if not callable(fingerprint):
        return _name(getattr(module, "policy", None))
    found = fingerprint()
    if not isinstance(found, dict):
        return str(found)
    return ", ".join(f"{key} {value}" for key, value in found.items() if value not in (None, False))


def _parameters(module: LightningModule) -> str:
    trained = sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
    return f"{trained:,} of {sum(parameter.numel() for parameter in module.parameters()):,}"


def _name(part: Any) -> str:
    return "" if part is None else type(part).__name__


def sampling_text(sampling: Any) -> str:
    """How completions are sampled, in words; empty for None."""
    if sampling is None:
        return ""
    return (
        f"{sampling.completions_per_prompt} per prompt, up to {sampling.max_completion_tokens} tokens, "
        f"temperature {sampling.temperature:g}, top_p {sampling.top_p:g}"
    )
