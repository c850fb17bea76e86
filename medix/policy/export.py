"""Export of a trained policy as a Hugging Face folder."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor

from medix.policy.asking import FILE, Asking, generation_config
from medix.policy.vision_language import VisionLanguagePolicy


def export(policy: VisionLanguagePolicy, folder: str | Path, card: str, asking: Asking | None = None) -> Path:
    """Write weights, processor and model card; adapters are merged into a copy of the weights.

    The generation settings of the base model are replaced, because none of them was used in training, and because
    transformers refuses to write some that it reads.

    The folder is written under a temporary name beside it and renamed at the end, so that it is never incomplete.

    Args:
        policy: the policy to export, with its weights loaded.
        folder: must not exist, or be empty.
        card: text of README.md.
        asking: how the policy was asked; written to ``medix.json``, and into chat template and processor where they
            can hold it. None writes the processor of the base model, and greedy decoding.

    Returns:
        The folder, for ``AutoModelForImageTextToText`` and ``AutoProcessor``.
    """
    folder = Path(folder)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"output: {folder} exists and is not empty; give another folder or remove it")
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with _generating(policy, asking):
            policy.hugging_face.save_pretrained(partial, state_dict=merged_weights(policy))
        processor = policy.processor
        if asking is not None:
            text = json.dumps(asking.to_dict(processor), indent=2, ensure_ascii=False)
            (partial / FILE).write_text(text + "\n", encoding="utf-8")
            processor = asking.asking_processor(processor)
        processor.save_pretrained(partial)
        (partial / "README.md").write_text(card, encoding="utf-8")
        partial.chmod(0o777 & ~_umask())  # a temporary folder is private to its owner
        if folder.exists():
            folder.rmdir()
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


@contextlib.contextmanager
def _generating(policy: VisionLanguagePolicy, asking: Asking | None) -> Iterator[None]:
    """Give the model the generation settings of the run while it is saved."""
    model = policy.hugging_face
    given = model.generation_config
    padding = policy.processor.tokenizer.pad_token_id
    model.generation_config = generation_config(policy.eos_token_ids, padding, policy.banned_token_ids, asking)
    try:
        yield
    finally:
        model.generation_config = given


@torch.no_grad()
def merged_weights(policy: VisionLanguagePolicy) -> dict[str, Tensor]:
    """Weights by their names in the Hugging Face model, with the updates of adapters added."""
    model = policy.hugging_face
    updates: dict[str, Tensor] = {}
    for name, module in model.named_modules():
        if isinstance(module, LoraLayer):
            layer: Any = module
            deltas = [layer.get_delta_weight(adapter) for adapter in layer.active_adapters]
            updates[f"{name}.weight"] = torch.stack(deltas).sum(dim=0)
    weights = {
        name.replace(".base_layer.", "."): weight for name, weight in model.state_dict().items() if ".lora_" not in name
    }
    return {
        name: weight if name not in updates else (weight + updates[name].to(weight)).to(weight.dtype)
        for name, weight in weights.items()
    }


def _umask() -> int:
    # The mask can only be read by setting it.
    mask = os.umask(0)
    os.umask(mask)
    return mask
