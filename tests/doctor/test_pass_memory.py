"""Activations, logits and temporary bytes of a step, by hand for Qwen3-VL-8B and for small policies."""

from pathlib import Path
from typing import Any

import pytest

from medix.doctor.memory import Phase
from medix.doctor.plan import Plan
from medix.doctor.subject import Subject
from medix.policy.tiny import build_tiny
from tests.doctor.test_rank_memory import SHARDED, allocated, large  # noqa: F401  # a fixture
from tests.support.doctoring import subject

SINGLE = Plan(False, 1, 1, (), "single", "32-true")


def test_checkpointing_keeps_the_inputs_of_layers_and_the_inside_of_one(large: Subject) -> None:  # noqa: F811
    """16,896 tokens: three prompts of 4,352 and 3,840 of completions, which attend to 4,352 + 3,840 tokens at most."""
    found = allocated(large)
    inside = 16 * 4096 + 8 * 12288 + 16 * 4096 + 6 * 1024
    pairs = 2 * (2 * 4096 * (5 * 3 * 4352 + 3840) + 3840 * (4352 + 3840))
    for phase in (Phase.LOSS, Phase.TEXT):
        assert found["activations", phase] == 16896 * 36 * 2 * 4096
    assert found["inside of a layer", Phase.TEXT] == 16896 * (inside + 4 * 12288) + pairs
    assert ("activations", Phase.VISION) not in found
    assert ("activations", Phase.STEP) not in found


def test_without_checkpointing_every_layer_is_kept(large: Subject) -> None:  # noqa: F811
    inside = 16 * 4096 + 8 * 12288 + 16 * 4096 + 6 * 1024
    pairs = 2 * (2 * 4096 * (5 * 3 * 4352 + 3840) + 3840 * (4352 + 3840))
    try:
        found = allocated(large, gradient_checkpointing=False)
    finally:
        large.policy.gradient_checkpointing = True
    assert found["activations", Phase.LOSS] == 36 * (16896 * inside + pairs)
    assert found["inside of a layer", Phase.TEXT] == 16896 * 4 * 12288


def test_logits_are_computed_in_pieces_and_their_softmax_in_chunks(large: Subject) -> None:  # noqa: F811
    rows = 2**27 // 151936
    assert allocated(large)["logits", Phase.LOSS] == 151936 * (rows * 2 * 2 + rows * 4)


def test_the_gradient_of_a_wide_head_is_more_than_few_logits(tmp_path: Path) -> None:
    """One completion of two tokens: 2 x 4 bytes of logits and 32 x 4 of the head's gradient for each word."""
    sampling = {"engine": {"init_args": {"sampling": {"completions_per_prompt": 2, "max_completion_tokens": 1}}}}
    update = {"update": {"prompts_per_update": 1}, "prompts_per_step": 1}
    at = subject(tmp_path, build_tiny("qwen3_vl", tmp_path / "policy"), model={**sampling, **update})
    assert allocated(at, SINGLE)["logits", Phase.LOSS] == at.model.vocab_size * (2 * 4 + 32 * 4)


def test_images_are_kept_until_the_vision_tower_has_its_gradients(large: Subject) -> None:  # noqa: F811
    """Three prompts of 4,352 tokens of four patches; pixels are converted once and copied once."""
    found, patches = allocated(large), 3 * 4352 * 4
    for phase in (Phase.LOSS, Phase.TEXT, Phase.VISION):
        assert found["vision activations", phase] == patches * (27 * 2 * 1152 + 2 * 2 * 1152)
    assert [found["pixels", phase] for phase in (Phase.LOSS, Phase.VISION)] == [patches * 1536 * 4, patches * 1536 * 2]
    assert found["vision mergers", Phase.TEXT] == 3 * 4352 * 4 * 2 * (3 * 4 * 1152 + 4096)
    assert ("vision mergers", Phase.VISION) not in found
    inside = 22 * 1152 + 2 * 2 * 4304 + 2 * 4304
    assert found["inside of a vision layer", Phase.VISION] == patches * inside


@pytest.mark.parametrize(("kind", "is_there"), [("single", True), ("ddp", True), ("sharded", False)])
def test_chunks_keep_keys_of_their_prompt_and_the_gradients_of_the_last(
    tmp_path: Path, kind: Any, is_there: bool
) -> None:
    """Of 4 x 100 tokens after a prompt of 2,000, 148 fit; autograd holds the gradient of the chunk for the prompt's."""
    sampling = {"engine": {"init_args": {"sampling": {"completions_per_prompt": 4, "max_completion_tokens": 48}}}}
    at = subject(
        tmp_path,
        build_tiny("qwen3_vl", tmp_path / "policy"),
        model={
            **sampling,
            "update": {"tokens_per_microbatch": 2100},
            "policy": {"init_args": {"gradient_checkpointing": True}},
        },
    )
    found = allocated(at, Plan(False, 1, 1, (), kind, "32-true"))
    name = "keys and values of the prompt, and their gradients"
    assert ((name, Phase.LOSS) in found) is is_there
    if is_there:
        assert found[name, Phase.LOSS] == 2000 * 2 * 2 * 16 * 2 * 4


def test_an_optimizer_that_steps_all_weights_together_needs_a_copy_of_all(large: Subject) -> None:  # noqa: F811
    """AdamW on eight GPUs: the root of the second moment of an eighth. On a CPU: two copies of the largest weight."""
    assert allocated(large)["temporary", Phase.STEP] == 4 * large.model.parameters / 8
    one = allocated(large, SINGLE)["temporary", Phase.STEP]
    assert one == 8 * 151936 * 4096
