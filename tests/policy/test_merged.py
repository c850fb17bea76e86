"""Adapters merged into the weights of one model: what is exported and what engines get."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from torch import nn

from medix.policy.lora import LoRA
from medix.policy.merged import check_merged, merged_weights, untied
from medix.policy.vision_language import VisionLanguagePolicy
from tests.support.tiny import loaded

TIED = "model.language_model.embed_tokens.weight"


def adapted(folder: Path, *targets: str) -> VisionLanguagePolicy:
    """Adapters whose updates are not zero."""
    policy = loaded(folder, lora=LoRA(rank=2, alpha=3.0, target_modules=list(targets)))
    with torch.no_grad():
        for name, weight in policy.named_parameters():
            if "lora_" in name:
                weight.copy_(0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(len(name))))
    return policy


def test_an_adapter_on_a_tied_head_makes_two_weights_of_one(tiny: dict[str, Path]) -> None:
    """The head is W + 3/2 · B·A, the embeddings stay W: 64 weights where the folder has 63."""
    policy = adapted(tiny["qwen3_vl"], "lm_head")
    weights = merged_weights(policy.hugging_face)
    layer = policy.hugging_face.lm_head
    update = 1.5 * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
    plain = loaded(tiny["qwen3_vl"]).hugging_face.state_dict()
    assert len(weights) == len(merged_weights(loaded(tiny["qwen3_vl"]).hugging_face)) + 1 == 64
    assert torch.equal(weights[TIED].value(), plain[TIED])
    torch.testing.assert_close(weights["lm_head.weight"].value(), plain[TIED] + update)
    assert untied(policy.hugging_face) == [TIED, "lm_head.weight"]


def test_an_adapter_on_tied_embeddings_leaves_the_head(tiny: dict[str, Path]) -> None:
    """peft's A and B of an embedding are those of its transpose: W + 3/2 · (B·A)ᵀ."""
    policy = adapted(tiny["qwen3_vl"], "embed_tokens")
    layer = policy.hugging_face.get_input_embeddings()
    update = 1.5 * (layer.lora_embedding_B["default"] @ layer.lora_embedding_A["default"]).T
    weights = merged_weights(policy.hugging_face)
    torch.testing.assert_close(weights[TIED].value(), weights["lm_head.weight"].value() + update)
    assert untied(policy.hugging_face) == [TIED, "lm_head.weight"]


@pytest.mark.parametrize(
    ("architecture", "targets"),
    [("qwen3_vl", ["q_proj"]), ("qwen2_5_vl", ["lm_head", "embed_tokens"]), ("smolvlm", ["lm_head"])],
)
def test_nothing_is_untied_where_nothing_was_tied_or_adapted(
    tiny: dict[str, Path], architecture: str, targets: list[str]
) -> None:
    assert untied(adapted(tiny[architecture], *targets).hugging_face) == []


@pytest.mark.parametrize(
    ("architecture", "target"),
    [("qwen3_vl", "proj"), ("qwen2_5_vl", "proj"), ("gemma3", "patch_embedding"), ("smolvlm", "patch_embedding")],
)
def test_adapters_of_patch_embeddings_are_merged_as_peft_merges_them(
    tiny: dict[str, Path], architecture: str, target: str
) -> None:
    policy = adapted(tiny[architecture], target)
    mine = {name: one.value() for name, one in merged_weights(policy.hugging_face).items()}
    whole = policy.model.merge_and_unload().state_dict()  # type: ignore[operator, union-attr]
    assert any(weight.ndim > 3 for weight in mine.values())
    for name, weight in mine.items():
        torch.testing.assert_close(weight, whole[name])


def test_without_merging_tied_weights_are_one(tiny: dict[str, Path]) -> None:
    left = merged_weights(adapted(tiny["qwen3_vl"], "lm_head").hugging_face, merge=False)
    assert left.keys() == merged_weights(loaded(tiny["qwen3_vl"]).hugging_face).keys()


def test_the_value_has_no_gradient_and_leaves_the_policy(tiny: dict[str, Path]) -> None:
    policy = adapted(tiny["qwen3_vl"], "q_proj")
    before = {name: value.clone() for name, value in policy.state_dict().items()}
    assert not any(one.value().requires_grad for one in merged_weights(policy.hugging_face).values())
    assert all(torch.equal(value, before[name]) for name, value in policy.state_dict().items())


def test_autocast_does_not_reach_the_merge(tiny: dict[str, Path]) -> None:
    """Weights are published within a step, and exported outside of one."""
    policy = adapted(tiny["qwen3_vl"], "q_proj", "embed_tokens")
    outside = {name: one.value() for name, one in merged_weights(policy.hugging_face).items()}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = {name: one.value() for name, one in merged_weights(policy.hugging_face).items()}
    assert all(torch.equal(value, inside[name]) for name, value in outside.items())


# Faults.

SETTINGS: dict[str, dict[str, Any]] = {
    "DoRA": {"use_dora": True},
    "modules_to_save": {"modules_to_save": ["lm_head"]},
    "trained tokens": {"trainable_token_indices": [1, 2]},
    "bias": {"lora_bias": True},
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("setting", SETTINGS)
def test_what_cannot_be_merged_is_refused_when_the_policy_loads(
    tiny: dict[str, Path], setting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply: Callable[..., Any] = peft.LoraConfig

    def config(**given: Any) -> Any:
        return apply(**{**given, "target_modules": ["q_proj"], **SETTINGS[setting]})

    monkeypatch.setattr(peft, "LoraConfig", config)
    with pytest.raises(ValueError, match=r"policy\.lora: \d+ adapted modules .* cannot be merged .*target_modules"):
        loaded(tiny["qwen3_vl"], lora=LoRA(rank=2))


def test_a_trained_parameter_that_is_in_no_folder_is_refused(tiny: dict[str, Path]) -> None:
    """Whatever adds it: here a gate that is in no state dictionary."""
    model = loaded(tiny["qwen3_vl"]).hugging_face

    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Parameter(torch.ones(1))

        def state_dict(self, *given: Any, **named: Any) -> dict[str, Any]:
            return {}

    model.extra = Gate()
    with pytest.raises(ValueError, match=r"among them extra\.gate"):
        check_merged(model)


def test_biases_and_all_weights_trained_without_adapters_are_accepted(tiny: dict[str, Path]) -> None:
    for folder in tiny.values():
        check_merged(loaded(folder).hugging_face)
        check_merged(loaded(folder, lora=LoRA(rank=2)).hugging_face)
