"""The memory of a rank: derived by hand for Qwen3-VL-8B, and measured on tiny policies."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medix.doctor.memory import Phase
from medix.doctor.plan import Plan, Zero
from medix.doctor.rank import Rank
from medix.doctor.rank_memory import device_memory, host_memory
from medix.doctor.subject import Subject
from medix.policy.tiny import build_tiny
from tests.support.doctoring import large_policy, subject

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
    pairs = [((one.name, phase), one.bytes) for one in estimate.allocations for phase in one.phases]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


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
    seeing = 4 * 1152 * (1152 + 1) + 2 * 1152 * 4304 + 4304 + 1152 + 4 * 1152
    outside = PARAMETERS - 36 * LAYER - 27 * seeing
    for phase in (Phase.NO_GRAD, Phase.LOSS, Phase.TEXT):
        assert found["gathered weights", phase] == 2 * (2 * LAYER + outside)
    assert found["gathered weights", Phase.VISION] == 2 * (2 * seeing + outside)
    assert ("gathered weights", Phase.STEP) not in found


def test_gradients_are_whole_until_they_are_reduced_in_float32_and_an_eighth_of_them_is_kept(large: Subject) -> None:
    """Of one layer at a time, while those outside the layers wait in 16 bits for the end of the pass."""
    found = allocated(large)
    seeing = 4 * 1152 * (1152 + 1) + 2 * 1152 * 4304 + 4304 + 1152 + 4 * 1152
    outside = PARAMETERS - 36 * LAYER - 27 * seeing
    assert found["unsharded gradients", Phase.LOSS] == 2 * outside
    assert found["unsharded gradients", Phase.TEXT] == (2 + 4 + 4 / 8) * LAYER + 2 * outside
    assert found["unsharded gradients", Phase.VISION] == (2 + 4 + 4 / 8) * (seeing + outside)


def test_adapters_alone_have_gradients_to_reduce(tmp_path: Path) -> None:
    policy = build_tiny("qwen3_vl", tmp_path / "policy")
    adapted = subject(tmp_path, policy, model={"policy": {"init_args": {"lora": {"rank": 2}}}})
    whole = subject(tmp_path, policy)
    share = adapted.model.trained / (adapted.model.parameters + adapted.model.adapters)
    parts = [allocated(at)["unsharded gradients", Phase.TEXT] for at in (adapted, whole)]
    assert parts[0] == pytest.approx(parts[1] * share)


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


def test_zero_divides_float32_weights_and_moments_and_by_stage_gradients_and_16_bit_weights(large: Subject) -> None:
    for stage, gradients, weights in ((1, 1, 1), (2, 8, 1), (3, 8, 8)):
        found = allocated(large, replace(SHARDED, kind="zero", zero=Zero(stage)))
        assert found["optimizer state", Phase.ALWAYS] == 8 * PARAMETERS / 8
        assert found["float32 weights", Phase.ALWAYS] == 4 * PARAMETERS / 8
        assert found["gradients", Phase.ALWAYS] == 4 * PARAMETERS / gradients
        assert found["weights", Phase.ALWAYS] == 2 * PARAMETERS / weights
        assert found["gradient buckets", Phase.STEP] == (2 + 4) * 500_000_000
        assert (("unsharded weights", Phase.ROLLOUT) in found) is (stage == 3)
        assert (("gathered weights", Phase.TEXT) in found) is (stage == 3)
        assert ("autocast copies of weights", Phase.TEXT) not in found


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
    for phase in (Phase.ROLLOUT, Phase.NO_GRAD, Phase.LOSS, Phase.TEXT, Phase.VISION):
        assert found["autocast copies of weights", phase] == 2 * PARAMETERS
    assert found["gradients of autocast copies", Phase.TEXT] == 2 * PARAMETERS
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
    assert ("vision activations", Phase.TEXT) in allocated(thawed)
    assert ("vision activations", Phase.TEXT) not in allocated(frozen)
    estimate = host_memory(Rank(frozen.module, frozen.policy, frozen.model, SHARDED))
    assert {one.name: one.bytes for one in estimate.allocations}["vision feature cache"] == 8 * 4 * 2**30


def test_processes_load_the_whole_model_into_main_memory_before_it_is_sharded(large: Subject) -> None:
    estimate = host_memory(Rank(large.module, large.policy, large.model, SHARDED))
    sizes = {one.name: one.bytes for one in estimate.allocations}
    assert sizes["unsharded weights"] == 8 * 4 * PARAMETERS
    assert sizes["checkpoint"] == 12 * PARAMETERS
    assert estimate.peak is Phase.LOADING


def test_experts_compute_in_float32_under_autocast_and_have_no_copies(tmp_path: Path) -> None:
    """Two layers of four experts with three matrices of 32 x 128, and a router of 4 x 32."""
    at = subject(tmp_path, build_tiny("qwen3_vl_moe", tmp_path / "policy"))
    found = allocated(at, replace(SHARDED, kind="ddp"))
    outside = found["autocast copies of weights", Phase.TEXT] / 2 - (at.model.parameters - 2 * at.model.text.parameters)
    assert outside == 2 * 2 * 32 * (32 + 16), "attention"
