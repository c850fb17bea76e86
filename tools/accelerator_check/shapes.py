"""Qwen3-VL in its released shapes with random weights: a configuration, built on the device, no hub."""

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from medix.policy.tiny import Architecture, TinySize, build_tiny
from tools.bench_step.ours import EndlessPolicy

_ROPE = {"rope_type": "default", "rope_theta": 5_000_000.0, "mrope_section": [24, 20, 20], "mrope_interleaved": True}
_TEXT: dict[str, Any] = {
    "vocab_size": 151_936, "head_dim": 128, "max_position_embeddings": 262_144, "initializer_range": 0.02,
    "rope_parameters": _ROPE,
}  # fmt: skip
_VISION: dict[str, Any] = {
    "num_heads": 16, "num_position_embeddings": 2304, "initializer_range": 0.02, "depth": 27, "hidden_size": 1152,
    "intermediate_size": 4304, "deepstack_visual_indexes": [8, 16, 24],
}  # fmt: skip

SHAPES: dict[str, dict[str, Any]] = {
    "2B": {
        "text_config": _TEXT | {
            "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 28, "num_attention_heads": 16,
            "num_key_value_heads": 8,
        },
        "vision_config": _VISION | {
            "depth": 24, "hidden_size": 1024, "intermediate_size": 4096, "out_hidden_size": 2048,
            "deepstack_visual_indexes": [5, 11, 17],
        },
    },
    "8B": {
        "tie_word_embeddings": False,
        "text_config": _TEXT | {
            "hidden_size": 4096, "intermediate_size": 12_288, "num_hidden_layers": 36, "num_attention_heads": 32,
            "num_key_value_heads": 8, "tie_word_embeddings": False,
        },
        "vision_config": _VISION | {"out_hidden_size": 4096},
    },
    "30B-A3B, 12 of 48 layers": {
        "text_config": _TEXT | {
            "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 12, "num_attention_heads": 32,
            "num_key_value_heads": 4, "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768,
        },
        "vision_config": _VISION | {"out_hidden_size": 2048},
    },
}  # fmt: skip
"""Changes of a tiny configuration, by the size of the released model."""


def write(folder: Path, family: Architecture, size: str | None) -> Path:
    """Write processor and configuration of a model whose weights are on no disk.

    Args:
        folder: created.
        family: of the tiny model whose processor and tokens it has.
        size: a name in ``SHAPES``; None keeps the tiny sizes.
    """
    build_tiny(family, folder, TinySize(image_side=1024, context=8192))
    (folder / "model.safetensors").unlink()
    config = AutoConfig.from_pretrained(folder)
    for key, value in SHAPES[size].items() if size is not None else ():
        if isinstance(value, dict):
            for name, number in value.items():
                setattr(getattr(config, key), name, number)  # some names stand for others in the file
        else:
            setattr(config, key, value)
    config.save_pretrained(folder)
    return folder


def untrained(folder: str, dtype: str, attention: str) -> Any:
    """A model with random weights, built where it will compute."""
    config = AutoConfig.from_pretrained(folder)
    found = torch.accelerator.current_accelerator(check_available=True)
    torch.manual_seed(0)
    with torch.device("cpu" if found is None else found):
        build: Any = AutoModelForImageTextToText.from_config
        return build(config, dtype=getattr(torch, dtype), attn_implementation=attention)


class UntrainedPolicy(EndlessPolicy):
    """A policy of random weights, whose completions all have the maximum length."""

    def _read(self, attention: str) -> Any:
        return untrained(self.name, self.dtype, attention)
