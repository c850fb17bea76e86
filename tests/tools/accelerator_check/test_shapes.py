"""Sizes of the released models, from configurations alone."""

from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageTextToText

from medix.policy.tiny import Architecture
from tools.accelerator_check.shapes import untrained, write


@pytest.mark.parametrize(
    ("family", "size", "parameters"),
    [
        ("qwen3_vl", "2B", 2.13e9),
        ("qwen3_vl", "8B", 8.77e9),
        ("qwen3_vl_moe", "30B-A3B, 12 of 48 layers", 8.6e9),
    ],
)
def test_a_shape_has_the_released_number_of_weights(
    family: Architecture, size: str, parameters: float, tmp_path: Path
) -> None:
    """Of the layers that are kept: a quarter of 29.9e9 in the layers of 30B-A3B, embeddings, head and tower."""
    folder = write(tmp_path, family, size)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(AutoConfig.from_pretrained(folder))
    assert sum(weight.numel() for weight in model.parameters()) == pytest.approx(parameters, rel=0.01)
    assert not list(folder.glob("*.safetensors"))


def test_random_weights_are_the_same_again(tmp_path: Path) -> None:
    folder = str(write(tmp_path, "qwen3_vl", None))
    one, other = (untrained(folder, "bfloat16", "sdpa") for _ in range(2))
    assert one.dtype == torch.bfloat16
    for name, weight in one.named_parameters():
        assert torch.equal(weight, other.get_parameter(name))
