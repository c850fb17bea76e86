"""Experts are saved as they were released."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText

from medix.policy.released_layout import keep_released_layout

UP, DOWN = (f"model.language_model.layers.0.mlp.experts.{name}_proj" for name in ("gate_up", "down"))


def test_a_folder_holds_experts_as_released_with_inputs_before_outputs(tiny: dict[str, Path]) -> None:
    """Four experts, width 32; each 128 wide, gate and up side by side."""
    saved = load_file(tiny["qwen3_vl_moe"] / "model.safetensors")
    assert saved[UP].shape == (4, 32, 2 * 128)
    assert saved[DOWN].shape == (4, 128, 32)


def test_a_model_that_was_read_is_saved_in_the_same_layout_and_otherwise_would_not_be(
    tiny: dict[str, Path], tmp_path: Path
) -> None:
    given = load_file(tiny["qwen3_vl_moe"] / "model.safetensors")
    model: Any = AutoModelForImageTextToText.from_pretrained(tiny["qwen3_vl_moe"])
    model.save_pretrained(tmp_path / "transposed")
    assert load_file(tmp_path / "transposed" / "model.safetensors")[UP].shape == (4, 2 * 128, 32)
    keep_released_layout(model)
    model.save_pretrained(tmp_path / "kept")
    kept = load_file(tmp_path / "kept" / "model.safetensors")
    assert kept.keys() == given.keys()
    assert all(torch.equal(kept[name], given[name]) for name in given)


def test_a_model_without_such_weights_keeps_its_conversions(tiny: dict[str, Path]) -> None:
    model: Any = AutoModelForImageTextToText.from_pretrained(tiny["gemma3"])
    before = model._weight_conversions
    keep_released_layout(model)
    assert model._weight_conversions is before
