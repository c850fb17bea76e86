"""Adapters."""

import math
from pathlib import Path

import pytest
import torch

from medix.policy.lora import LoRA
from medix.policy.vision_language import VisionLanguagePolicy
from tests.support.tiny import ARCHITECTURES, loaded, mixed_prompts, written
from tests.support.tolerances import LOGPROBS


def _trainable(policy: VisionLanguagePolicy) -> list[str]:
    return [name for name, parameter in policy.named_parameters() if parameter.requires_grad]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_only_adapters_are_trained_and_none_in_a_frozen_vision_tower(tiny: dict[str, Path], architecture: str) -> None:
    everywhere = _trainable(loaded(tiny[architecture], lora=LoRA(rank=2)))
    in_text = _trainable(loaded(tiny[architecture], lora=LoRA(rank=2), freeze_vision=True))
    assert all("lora_" in name for name in everywhere)
    assert set(in_text) < set(everywhere)
    assert all("language_model" in name or "text_model" in name for name in in_text)


@pytest.mark.filterwarnings("ignore:Model has .tie_word_embeddings")
def test_a_frozen_vision_tower_takes_no_adapter_from_the_head(tiny: dict[str, Path]) -> None:
    """The head is outside the decoder, and no part of the vision tower."""
    for folder in tiny.values():
        lora = LoRA(rank=2, target_modules=["q_proj", "lm_head"])
        names = _trainable(loaded(folder, lora=lora, freeze_vision=True))
        assert len([name for name in names if "lm_head" in name]) == 2
        assert not [name for name in names if "vis" in name]


def test_a_fresh_adapter_changes_nothing(tiny: dict[str, Path]) -> None:
    plain, adapted = loaded(tiny["qwen3_vl"]), loaded(tiny["qwen3_vl"], lora=LoRA(rank=2))
    group = written(plain, mixed_prompts(plain)[1], (4,))
    torch.testing.assert_close(plain.logprobs([group]), adapted.logprobs([group]), rtol=0, atol=LOGPROBS)


def test_the_first_weights_follow_the_seed_and_not_the_global_generator(tiny: dict[str, Path]) -> None:
    def weights(seed: int, disturb: int) -> torch.Tensor:
        torch.manual_seed(disturb)
        policy = loaded(tiny["qwen3_vl"], lora=LoRA(rank=2, seed=seed))
        return next(p for n, p in policy.named_parameters() if "lora_A" in n).detach()

    assert torch.equal(weights(1, 5), weights(1, 6))
    assert not torch.equal(weights(1, 5), weights(2, 5))


def test_named_layers_alone_are_adapted(tiny: dict[str, Path]) -> None:
    names = _trainable(loaded(tiny["qwen3_vl"], lora=LoRA(rank=2, target_modules=["q_proj", "v_proj"])))
    assert {name.split(".lora_")[0].rsplit(".", 1)[1] for name in names} == {"q_proj", "v_proj"}


def test_layers_that_do_not_exist_are_named_with_a_remedy(tiny: dict[str, Path]) -> None:
    with pytest.raises(ValueError, match=r"lora\.target_modules: \['nothing'\](.|\n)*all-linear"):
        loaded(tiny["qwen3_vl"], lora=LoRA(target_modules=["nothing"]))


def test_one_name_of_several_that_is_in_no_adapted_module_is_refused(tiny: dict[str, Path]) -> None:
    """peft adapts the others without a word."""
    with pytest.raises(ValueError, match=r"lora\.target_modules: vv_proj: .* would be q_proj alone"):
        loaded(tiny["qwen3_vl"], lora=LoRA(target_modules=["q_proj", "vv_proj"]))
    lora = LoRA(target_modules=["q_proj", "qkv", "layers.0.mlp.up_proj"])
    with pytest.raises(ValueError, match=r"lora\.target_modules: qkv: .*freeze_vision"):
        loaded(tiny["qwen3_vl"], lora=lora, freeze_vision=True)
    assert len(_trainable(loaded(tiny["qwen3_vl"], lora=lora))) > 2


@pytest.mark.parametrize(
    ("arguments", "key"),
    [({"rank": 0}, "rank"), ({"dropout": 1.0}, "dropout"), ({"alpha": 0.0}, "alpha"), ({"alpha": math.nan}, "alpha")],
)
def test_impossible_adapters_are_refused(arguments: dict[str, float], key: str) -> None:
    with pytest.raises(ValueError, match=rf"lora\.{key}"):
        LoRA(**arguments)  # type: ignore[arg-type]
