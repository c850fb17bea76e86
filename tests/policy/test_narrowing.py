"""Conversion of weights to a narrower dtype."""

from pathlib import Path

import pytest
import torch

from medix.policy.lora import LoRA
from tests.support.tiny import ARCHITECTURES, loaded, mixed_prompts, written


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_converted_policy_is_the_one_that_is_loaded_in_that_dtype(architecture: str, tiny: dict[str, Path]) -> None:
    """Bit for bit, buffers included: `to` rounds the frequencies of rotary embeddings, Hugging Face does not."""
    converted, wanted = loaded(tiny[architecture]).to(torch.bfloat16), loaded(tiny[architecture], dtype="bfloat16")
    for own, other in (
        (converted.named_buffers(), wanted.named_buffers()),
        (converted.named_parameters(), wanted.named_parameters()),
    ):
        found = dict(own)
        for name, value in other:
            if "embed_scale" in name:  # used in the dtype of the weights
                continue
            assert found[name].dtype == value.dtype, name
            assert torch.equal(found[name], value), name
    group = written(wanted, mixed_prompts(wanted)[1], (4, 2))
    with torch.no_grad():
        found, expected = (policy.logprobs([group]) for policy in (converted, wanted))
    assert torch.equal(found, expected)
    assert found.dtype == torch.float32


def test_a_pass_before_the_conversion_leaves_nothing_behind(tiny: dict[str, Path]) -> None:
    """Dtype of image tensors and comparison of the passes were those of float32."""
    policy = loaded(tiny["qwen3_vl"])
    group = written(policy, mixed_prompts(policy)[1], (4, 2))
    with torch.no_grad():
        policy.logprobs([group])
        policy.to(torch.bfloat16)
        found = policy.logprobs([group])
        expected = loaded(tiny["qwen3_vl"], dtype="bfloat16").logprobs([group])
    assert torch.equal(found, expected)


def test_adapters_stay_float32_and_a_wider_dtype_is_for_all(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"], lora=LoRA(rank=2))
    before = {name: weight.clone() for name, weight in policy.named_parameters() if "lora_" in name}
    policy.to(torch.bfloat16)
    for name, weight in policy.named_parameters():
        assert weight.dtype == (torch.float32 if "lora_" in name else torch.bfloat16)
        assert "lora_" not in name or torch.equal(weight, before[name])
    assert {weight.dtype for weight in policy.double().parameters()} == {torch.float64}


def test_a_policy_without_weights_can_be_moved() -> None:
    from medix.policy.vision_language import VisionLanguagePolicy

    VisionLanguagePolicy("nowhere").to(torch.bfloat16)
