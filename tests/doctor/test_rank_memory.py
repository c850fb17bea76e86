"""The memory of a rank: derived by hand for Qwen3-VL-8B, and measured on tiny policies."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from medix.doctor.memory import Phase
from medix.doctor.plan import Plan, Zero
from medix.doctor.rank import Rank
from medix.doctor.rank_memory import SAVED_16_BIT, SAVED_FLOAT32, SavedBytes, device_memory, host_memory
from medix.doctor.subject import Subject
from medix.policy.tiny import build_tiny
from tests.support.doctoring import large_policy, subject
from tests.support.tiny import loaded, render, sample, written

PARAMETERS = 8_767_123_696
LAYER = 4096 * (2 * 4096 + 2 * 1024 + 3 * 12288) + 2 * 4096 + 2 * 128
"""q, k, v, o, three of the feed-forward layer, four norms."""
SHARDED = Plan(True, 8, 1, tuple(range(8)), "sharded", "bf16-mixed")
ADAM = {"optimizer": {"class_path": "torch.optim.AdamW", "init_args": {"lr": 1e-6}}}
PAPER = {
    "engine": {
        "class_path": "medix.rollout.LocalEngine",
        "init_args": {"sampling": {"completions_per_prompt": 5, "max_completion_tokens": 4096}},
    },
    "prompting": {"max_prompt_tokens": 4352},
    "update": {"prompts_per_update": 128, "tokens_per_microbatch": 16896},
    "prompts_per_step": 512,
    "prompts_per_rollout": 128,
    "evaluation": {"completions_per_prompt": 1, "max_completion_tokens": 4096},
    **ADAM,
}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """Qwen3-VL-8B with the sizes of the paper."""
    folder = tmp_path_factory.mktemp("large")
    policy = large_policy(folder / "policy")
    return subject(folder, policy, model={**PAPER, "policy": {"init_args": {"gradient_checkpointing": True}}})


def allocated(at: Subject, plan: Plan = SHARDED, **arguments: Any) -> dict[tuple[str, Phase], float]:
    """Bytes by name and phase."""
    policy = at.policy
    for name, value in arguments.items():
        setattr(policy, name, value)
    estimate = device_memory(Rank(at.module, policy, at.model, plan, at.data.val_batch_size))
    found = {(one.name, one.phase): one.bytes for one in estimate.allocations}
    assert len(found) == len(estimate.allocations)
    return found


# Derived by hand -----------------------------------------------------------------------------------------------------


def test_sharded_weights_gradients_and_state_are_an_eighth_of_sixteen_bytes_a_parameter(large: Subject) -> None:
    found = allocated(large)
    assert found["weights", Phase.ALWAYS] == 4 * PARAMETERS / 8
    assert found["gradients", Phase.ALWAYS] == 4 * PARAMETERS / 8
    assert found["optimizer state", Phase.ALWAYS] == 8 * PARAMETERS / 8
    assert ("gradient buckets", Phase.ALWAYS) not in found
    assert ("reference policy", Phase.ALWAYS) not in found


def test_sharded_ranks_gather_the_whole_model_for_sampling_and_two_layers_otherwise(large: Subject) -> None:
    found = allocated(large)
    assert found["unsharded weights", Phase.ROLLOUT] == 2 * PARAMETERS
    assert ("unsharded weights", Phase.NO_GRAD) not in found
    outside = PARAMETERS - 36 * LAYER - 27 * (4 * 1152 * (1152 + 1) + 2 * 1152 * 4304 + 4304 + 1152 + 4 * 1152)
    for phase in (Phase.NO_GRAD, Phase.UPDATE):
        assert found["gathered weights", phase] == 2 * (2 * LAYER + outside)
    assert found["unsharded gradients", Phase.UPDATE] == (2 + 4) * (LAYER + outside)


def test_the_cache_holds_keys_and_values_of_prompts_and_full_completions(large: Subject) -> None:
    """64 rows hold 12 prompts of 5; 36 layers x 8 heads x 128 x 2 bytes, twice, are 147,456 bytes a token."""
    found = allocated(large)
    assert found["KV cache", Phase.ROLLOUT] == 12 * (4352 + 5 * 4096) * 147_456


def test_a_large_validation_batch_needs_a_larger_cache(large: Subject) -> None:
    """64 rows of one completion each hold 64 prompts."""
    large.data.val_batch_size, before = 512, large.data.val_batch_size
    try:
        assert allocated(large)["KV cache", Phase.ROLLOUT] == 64 * (4352 + 4096) * 147_456
    finally:
        large.data.val_batch_size = before


def test_checkpointed_activations_are_the_inputs_of_layers_and_the_inside_of_one(large: Subject) -> None:
    inside = 16 * 4096 + 8 * 12288 + 14 * 4096 + 10 * 1024
    assert allocated(large)["activations", Phase.UPDATE] == 16896 * (36 * 2 * 4096 + 2 * inside)


def test_logits_are_computed_in_chunks(large: Subject) -> None:
    rows = 2**27 // 151936
    assert allocated(large)["logits", Phase.UPDATE] == 151936 * (rows * 2 * 2 + 512 * 8)


def test_without_checkpointing_every_layer_is_saved(large: Subject) -> None:
    kept = SAVED_16_BIT.of(large.model.text)
    try:
        assert allocated(large, gradient_checkpointing=False)["activations", Phase.UPDATE] == 16896 * 37 * kept
    finally:
        large.policy.gradient_checkpointing = True


def test_zero_divides_float32_weights_and_moments_and_by_stage_gradients_and_16_bit_weights(large: Subject) -> None:
    for stage, gradients, weights in ((1, 1, 1), (2, 8, 1), (3, 8, 8)):
        found = allocated(large, replace(SHARDED, kind="zero", zero=Zero(stage)))
        assert found["optimizer state", Phase.ALWAYS] == 8 * PARAMETERS / 8
        assert found["float32 weights", Phase.ALWAYS] == 4 * PARAMETERS / 8
        assert found["gradients", Phase.ALWAYS] == 4 * PARAMETERS / gradients
        assert found["weights", Phase.ALWAYS] == 2 * PARAMETERS / weights
        assert found["gradient buckets", Phase.UPDATE] == (2 + 4) * 500_000_000
        assert (("unsharded weights", Phase.ROLLOUT) in found) is (stage == 3)
        assert (("gathered weights", Phase.UPDATE) in found) is (stage == 3)
        assert ("autocast copies of weights", Phase.UPDATE) not in found


def test_offloaded_state_and_weights_are_in_the_main_memory_of_their_machine(large: Subject) -> None:
    """Two machines of eight ranks each hold one half."""
    plan = replace(SHARDED, kind="zero", nodes=2, zero=Zero(3, offloads_optimizer=True, offloads_parameters=True))
    found = allocated(large, plan)
    for name in ("optimizer state", "float32 weights", "gradients", "weights"):
        assert (name, Phase.ALWAYS) not in found
    host = host_memory(Rank(large.module, large.policy, large.model, plan))
    sizes = {one.name: one.bytes for one in host.allocations}
    assert sizes["offloaded optimizer state, float32 weights and gradients"] == 16 * PARAMETERS / 2
    assert sizes["offloaded weights"] == 2 * PARAMETERS / 2
    assert sizes["unsharded weights"] == 4 * PARAMETERS * 8


def test_replicated_weights_need_gradient_buckets_and_autocast_copies(large: Subject) -> None:
    found = allocated(large, replace(SHARDED, kind="ddp"))
    for name in ("weights", "gradients", "gradient buckets"):
        assert found[name, Phase.ALWAYS] == 4 * PARAMETERS
    assert found["autocast copies of weights", Phase.UPDATE] == 2 * PARAMETERS
    assert ("unsharded weights", Phase.ROLLOUT) not in found


def test_true_16_bit_precision_halves_weights_and_state(large: Subject) -> None:
    found = allocated(large, replace(SHARDED, precision="bf16-true"))
    assert found["weights", Phase.ALWAYS] == 2 * PARAMETERS / 8
    assert found["optimizer state", Phase.ALWAYS] == 4 * PARAMETERS / 8


def test_a_reference_policy_is_not_sharded_and_is_free_with_adapters(tmp_path: Path) -> None:
    policy = build_tiny("qwen3_vl", tmp_path / "policy")
    loss = {
        "class_path": "medix.losses.GRPOLoss",
        "init_args": {
            "reference_kl": {
                "class_path": "medix.losses.ReferenceKL",
                "init_args": {
                    "estimator": "k3",
                    "coefficient": {"class_path": "medix.losses.FixedCoefficient", "init_args": {"value": 0.01}},
                },
            }
        },
    }
    full = subject(tmp_path, policy, model={"loss": loss})
    found = allocated(full)
    assert found["reference policy", Phase.ALWAYS] == 2 * full.model.parameters  # in what the policy computes in
    adapted = subject(tmp_path, policy, model={"loss": loss, "policy": {"init_args": {"lora": {"rank": 2}}}})
    found = allocated(adapted)
    assert ("reference policy", Phase.ALWAYS) not in found
    assert found["gradients", Phase.ALWAYS] == 4 * adapted.model.adapters / 8
    assert found["weights", Phase.ALWAYS] == 4 * (adapted.model.parameters + adapted.model.adapters) / 8


def test_a_frozen_vision_tower_saves_no_activations(tmp_path: Path) -> None:
    policy = build_tiny("qwen3_vl", tmp_path / "policy")
    thawed, frozen = (
        subject(tmp_path, policy, model={"policy": {"init_args": {"freeze_vision": freeze}}})
        for freeze in (False, True)
    )
    assert ("vision activations", Phase.UPDATE) in allocated(thawed)
    assert ("vision activations", Phase.UPDATE) not in allocated(frozen)
    estimate = host_memory(Rank(frozen.module, frozen.policy, frozen.model, SHARDED))
    assert {one.name: one.bytes for one in estimate.allocations}["vision feature cache"] == 8 * 4 * 2**30


def test_processes_load_the_whole_model_into_main_memory_before_it_is_sharded(large: Subject) -> None:
    estimate = host_memory(Rank(large.module, large.policy, large.model, SHARDED))
    sizes = {one.name: one.bytes for one in estimate.allocations}
    assert sizes["unsharded weights"] == 8 * 4 * PARAMETERS
    assert sizes["checkpoint"] == 12 * PARAMETERS
    assert estimate.peak is Phase.LOADING


# Measured ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "dtype", "kept"),
    [
        ("qwen3_vl", "float32", SAVED_FLOAT32),
        ("qwen3_vl", "bfloat16", SAVED_16_BIT),
        ("smolvlm", "float32", SAVED_FLOAT32),
    ],
)
def test_the_estimate_is_near_what_a_forward_pass_saves(
    tmp_path: Path, name: Any, dtype: Any, kept: SavedBytes
) -> None:
    """Tensors that the backward pass of a text-only group holds, weights left out: within a third of the estimate."""
    folder = build_tiny(name, tmp_path / "policy")
    policy = loaded(folder, dtype=dtype)
    group = written(policy, render(policy, sample("a", "What is seen in the left lung? " * 8)), [40, 30, 50])
    tokens = len(group.prompt.token_ids) + sum(len(completion.token_ids) for completion in group.completions)
    policy.logprobs([group])  # the comparison with the plain pass is made once, before we look
    weights = {parameter.data_ptr() for parameter in policy.parameters()}
    seen: dict[int, tuple[int, Any]] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            seen[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        policy.logprobs([group])
    logits = (
        sum(len(completion.token_ids) for completion in group.completions) * policy.config.get_text_config().vocab_size
    )
    measured = sum(size for size, _ in seen.values()) - logits * {"float32": 4, "bfloat16": 2}[dtype]
    from medix.doctor.model_size import ModelSize

    text = ModelSize.of(policy).text
    assert tokens * text.count * kept.of(text) == pytest.approx(measured, rel=1 / 3)
