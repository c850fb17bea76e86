"""What a layer keeps per token: by hand for two layers, and measured on a small policy."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medix.doctor.live_bytes import LiveBytes
from medix.doctor.model_size import Layer, ModelSize
from medix.doctor.saved_bytes import Adapters, Precision, saved_by_text, saved_by_vision
from medix.policy.lora import LoRA
from medix.policy.tiny import TinySize, build_tiny
from tests.support.tiny import loaded, picture, render, sample, written

DENSE = Layer(36, 4096, 12288, query_width=4096, key_width=1024)
EXPERTS = Layer(48, 2048, 8 * 768, query_width=4096, key_width=512, experts_per_token=8)


def test_a_dense_layer_in_16_bits() -> None:
    """16 x 4,096 + 4 x 2 x 12,288 + 16 x 4,096 + 6 x 1,024; both factors of the gate have a gradient."""
    saved = saved_by_text("16-bit")
    assert saved.of(DENSE) == 16 * 4096 + 8 * 12288 + 16 * 4096 + 6 * 1024
    assert saved.gradients(DENSE) == 2 * 2 * 12288


def test_a_layer_of_experts_keeps_input_and_output_of_each() -> None:
    saved = saved_by_text("16-bit")
    assert saved.of(EXPERTS) == (16 + 2 * 2 * 8) * 2048 + 8 * 8 * 768 + 16 * 4096 + 6 * 512
    assert saved.gradients(EXPERTS) == 3 * 2 * 8 * 2048, "more than 2 x 2 x 6,144 of the gate"


def test_experts_with_wide_mlps_have_most_gradients_at_the_gate() -> None:
    wide = replace(EXPERTS, intermediate_size=8 * 8192)
    assert saved_by_text("16-bit").gradients(wide) == 2 * 2 * 8 * 8192 - 2 * 8 * 2048


def test_autocast_leaves_experts_in_float32() -> None:
    dense = replace(EXPERTS, experts_per_token=0)
    saved = saved_by_text("autocast")
    assert saved.of(EXPERTS) - saved.of(dense) == 2 * 4 * 8 * 2048 + 4 * (4 - 2) * 6144


def test_frozen_experts_keep_no_inputs_but_adapters_have_an_inside() -> None:
    saved = saved_by_text("float32", "float32")
    assert saved.of(EXPERTS, rank=2) == (16 + 4 * 8) * 2048 + 3 * 4 * 6144 + 24 * 4096 + 4 * 512 + 2 * 28


def test_keys_and_values_next_to_completions_are_for_all_query_heads() -> None:
    """Keys and values of 100 tokens, and a mask of 50 entries in the precision of the scores."""
    assert saved_by_text("float32").between_tokens(DENSE, 100, 50) == 4 * (2 * 4096 * 100 + 50)


# Measured ------------------------------------------------------------------------------------------------------------

SMALL = TinySize(width=64, depth=3, heads=2, hidden=192, vision_width=64, vision_depth=3, initializer_range=0.02)


@pytest.mark.parametrize(
    ("name", "arguments", "precision", "adapters"),
    [
        ("qwen3_vl", {}, "float32", ""),
        ("qwen3_vl", {"dtype": "bfloat16"}, "16-bit", ""),
        ("qwen3_vl_moe", {"dtype": "bfloat16"}, "16-bit", ""),
        ("qwen3_vl", {"lora": True}, "float32", "float32"),
        ("qwen3_vl", {"lora": True, "dtype": "bfloat16"}, "16-bit", "float32"),
    ],
)
def test_the_bytes_of_a_layer_are_those_that_it_frees_in_the_backward_pass(
    tmp_path: Path, name: Any, arguments: dict[str, Any], precision: Precision, adapters: Adapters
) -> None:
    """From the gradient of a layer's output to that of its input, in text and in images. The rest, within 4 %, is
    statistics: of norms and of attention, 4 bytes for each head and token.
    """
    if "lora" in arguments:
        arguments = {**arguments, "lora": LoRA(rank=2)}
    policy = loaded(build_tiny(name, tmp_path / "policy", SMALL), **arguments)
    prompt = render(policy, sample("a", "What is seen in the left lung? " * 8, picture(1, 256, 256)))
    group = written(policy, prompt, [90, 90, 90])
    size, rank = ModelSize.of(policy), 2 if adapters else 0
    towers = (policy.hugging_face.get_decoder().layers, policy.hugging_face.model.visual.blocks)
    seen = _at_gradients([tower[-2:] for tower in towers], policy, group)
    inputs, completions = len(prompt.token_ids), 3 * 89
    between = saved_by_text(precision, adapters).between_tokens(
        size.text, 3 * inputs + completions, completions * (inputs + 89)
    )
    tokens, patches = inputs + completions, len(prompt.inputs["pixel_values"])
    assert size.vision is not None
    expected = (
        tokens * saved_by_text(precision, adapters).of(size.text, rank) + between,
        patches * saved_by_vision(precision, adapters).of(size.vision, rank),
    )
    # Trained weights get their gradient at the same time; with adapters there is next to none.
    item = 0 if adapters else next(iter(policy.parameters())).element_size()
    for found, hand, layer in zip(seen, expected, (size.text, size.vision), strict=True):
        assert found + item * layer.parameters == pytest.approx(hand, rel=0.04)


def _at_gradients(towers: list[Any], policy: Any, group: Any) -> list[int]:
    """Bytes that are freed between the gradients of the outputs of the last two layers, for each tower."""
    times: dict[Any, int] = {}

    def note(layer: Any, _: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        if first.requires_grad:
            first.register_hook(lambda _: times.__setitem__(layer, live.now))

    policy.logprobs([group])  # the comparison with the plain pass is made once, before we look
    handles = [layer.register_forward_hook(note) for tower in towers for layer in tower]
    policy.zero_grad()
    with LiveBytes() as live:
        policy.logprobs([group]).sum().backward()
    for handle in handles:
        handle.remove()
    return [times[last] - times[before] for before, last in towers]


def test_smolvlm_keeps_at_most_a_third_less(tmp_path: Path) -> None:
    """Without norms of queries and keys."""
    policy = loaded(build_tiny("smolvlm", tmp_path / "policy", SMALL))
    group = written(policy, render(policy, sample("a", "What is seen? " * 8)), [90, 90, 90])
    (found,) = _at_gradients([policy.hugging_face.get_decoder().layers[-2:]], policy, group)
    size = ModelSize.of(policy)
    inputs = len(group.prompt.token_ids)
    hand = (inputs + 267) * saved_by_text("float32").of(size.text)
    hand += saved_by_text("float32").between_tokens(size.text, 3 * inputs + 267, 267 * (inputs + 89))
    assert 2 / 3 < (found + 4 * size.text.parameters) / hand < 1
