"""Parameter counts and layer sizes from a configuration alone."""

from pathlib import Path
from typing import Any

import pytest
from transformers.modeling_layers import GradientCheckpointingLayer

from medix.doctor.model_size import Layer, ModelSize
from medix.policy.lora import LoRA
from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from tests.support.doctoring import large_policy
from tests.support.tiny import ARCHITECTURES


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("policies")
    return {name: build_tiny(name, folder / name) for name in ARCHITECTURES}


def test_the_8b_model_is_counted_to_the_last_parameter(tmp_path: Path) -> None:
    """8,767,123,696 is what the published checkpoint holds. A layer: q, k, v, o, three of the MLP, four norms."""
    size = ModelSize.of(VisionLanguagePolicy(str(large_policy(tmp_path))))
    layer = 4096 * (2 * 4096 + 2 * 1024 + 3 * 12288) + 2 * 4096 + 2 * 128
    assert (size.parameters, size.trained, size.adapters) == (8_767_123_696, 8_767_123_696, 0)
    seeing = 4 * 1152 * (1152 + 1) + 2 * 1152 * 4304 + 4304 + 1152 + 4 * 1152
    assert size.text == Layer(36, 4096, 12288, query_width=4096, key_width=1024, parameters=layer)
    assert size.vision == Layer(27, 1152, 4304, query_width=1152, key_width=1152, parameters=seeing)
    assert size.outside_layers == 8_767_123_696 - 36 * layer - 27 * seeing
    assert size.largest_trained == 151936 * 4096
    assert (size.patch_values, size.mergers) == (3 * 2 * 16 * 16, 4)
    assert (size.patches_per_token, size.vocab_size, size.context_length) == (4, 151936, 262144)


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize(
    "arguments",
    [{}, {"freeze_vision": True}, {"lora": LoRA(rank=2)}, {"lora": LoRA(rank=2), "freeze_vision": True}],
    ids=["all", "text", "lora", "lora in text"],
)
def test_counts_are_those_of_the_loaded_policy(policies: dict[str, Path], name: str, arguments: dict[str, Any]) -> None:
    policy = VisionLanguagePolicy(str(policies[name]), **arguments)
    size = ModelSize.of(policy)
    policy.load()
    assert size.parameters + size.adapters == sum(p.numel() for p in policy.parameters())
    assert size.trained == sum(p.numel() for p in policy.parameters() if p.requires_grad)
    layers = [part for part in policy.hugging_face.modules() if isinstance(part, GradientCheckpointingLayer)]
    assert size.text.count + (size.vision.count if size.vision else 0) == len(layers)


def test_the_mlp_width_of_experts_counts_those_that_a_token_is_routed_to(tmp_path: Path) -> None:
    import transformers

    made: Any = transformers.Qwen3VLMoeConfig
    text = {
        "hidden_size": 32, "intermediate_size": 64, "moe_intermediate_size": 16, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "vocab_size": 100, "num_experts": 4,
        "num_experts_per_tok": 3,
    }  # fmt: skip
    vision = {"depth": 1, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "out_hidden_size": 32,
              "deepstack_visual_indexes": [0]}  # fmt: skip
    made(text_config=text, vision_config=vision).save_pretrained(tmp_path)
    size = ModelSize.of(VisionLanguagePolicy(str(tmp_path)))
    experts = 4 * 3 * 16 * 32
    layer = 32 * (2 * 32 + 2 * 16) + experts + 4 * 32 + 2 * 32 + 2 * 16  # with router and norms
    assert size.text == Layer(2, 32, 3 * 16, query_width=32, key_width=16, experts_per_token=3, parameters=layer)
