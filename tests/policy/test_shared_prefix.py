"""The shared pass against the plain pass: the same log-probabilities, the same gradients."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medix.policy import packing
from medix.policy.lora import LoRA
from medix.policy.shared_prefix import why_plain
from medix.policy.vision_language import VisionLanguagePolicy
from medix.types import RolloutGroup
from tests.support.passes import assert_equal, groupings, one_prompt, plain, result, shared, wake
from tests.support.tiny import ARCHITECTURES, loaded, mixed_prompts, written
from tests.support.tolerances import BFLOAT16_GRADIENT, BFLOAT16_LOGPROBS, LOGPROBS

GROUPINGS = (
    "text only", "two images", "all of one token", "one completion", "one very long completion", "eight images",
    "mixed", "text between images",
)  # fmt: skip


@pytest.fixture(scope="module")
def policies(tiny: dict[str, Path]) -> dict[str, VisionLanguagePolicy]:
    return {name: loaded(folder) for name, folder in tiny.items()}


@pytest.fixture(scope="module")
def groups(policies: dict[str, VisionLanguagePolicy]) -> dict[str, dict[str, list[RolloutGroup]]]:
    return {name: groupings(policy) for name, policy in policies.items()}


def parts_of(group: RolloutGroup, *sizes: int) -> list[RolloutGroup]:
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return [
        replace(group, completions=group.completions[start : start + size])
        for start, size in zip(starts, sizes, strict=True)
    ]


@pytest.mark.parametrize("whole", [0, 256], ids=["tiles", "whole"])
@pytest.mark.parametrize("which", GROUPINGS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_equals_the_plain_pass(
    policies: dict[str, VisionLanguagePolicy],
    groups: dict[str, dict[str, list[RolloutGroup]]],
    architecture: str,
    which: str,
    whole: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packing, "WHOLE", whole)
    policy, given = policies[architecture], groups[architecture][which]
    expected = result(policy, lambda: [plain(policy).logprobs(given, 0.8)])
    assert_equal(result(policy, lambda: [shared(policy).logprobs(given, 0.8)]), expected)
    lengths = [len(completion.token_ids) for group in given for completion in group.completions]
    assert expected[0].shape == (len(lengths), max(lengths))


@pytest.mark.parametrize("sizes", [(1, 1, 1, 1), (3, 1), (1, 3)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_group_in_parts_equals_the_group_whole(
    policies: dict[str, VisionLanguagePolicy], architecture: str, sizes: tuple[int, ...]
) -> None:
    """Among the parts are completions of one token, which take no place in a row."""
    policy = policies[architecture]
    parts = parts_of(written(policy, mixed_prompts(policy)[2], (4, 1, 40, 1)), *sizes)
    expected = result(policy, lambda: (plain(policy).logprobs([part], 0.8) for part in parts))
    assert_equal(result(policy, lambda: shared(policy).logprobs_in_chunks(parts, 0.8)), expected)


@pytest.mark.parametrize("lora", [None, LoRA(rank=2)], ids=["full", "lora"])
@pytest.mark.parametrize("architecture", ["qwen3_vl", "qwen3_vl_moe", "gemma3"])
def test_checkpointing_and_adapters_change_no_gradient(
    tiny: dict[str, Path], architecture: str, lora: LoRA | None
) -> None:
    policy, prompt = one_prompt(tiny[architecture], lora=lora, gradient_checkpointing=True)
    wake(policy)
    group = written(policy, prompt, (5, 1, 7))
    expected = result(policy, lambda: [plain(policy).logprobs([group], 1.0)])
    assert_equal(result(policy, lambda: [shared(policy).logprobs([group], 1.0)]), expected)
    parts = parts_of(group, 1, 2)
    expected = result(policy, lambda: (plain(policy).logprobs([part], 1.0) for part in parts))
    assert_equal(result(policy, lambda: shared(policy).logprobs_in_chunks(parts, 1.0)), expected)


def test_the_reference_of_adapters_shares_prompts_too(tiny: dict[str, Path]) -> None:
    policy, prompt = one_prompt(tiny["qwen3_vl"], lora=LoRA(rank=2))
    wake(policy)
    group = written(policy, prompt, (5, 2))
    with torch.no_grad(), policy.model.disable_adapter():  # type: ignore[union-attr, operator]
        expected = plain(policy).logprobs([group], 1.0)
    torch.testing.assert_close(policy.reference_logprobs([group]), expected, rtol=0, atol=LOGPROBS)
    assert (policy.logprobs([group]) - expected).abs().max() > 1e-3


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_in_bfloat16_it_differs_by_its_rounding(tiny: dict[str, Path], architecture: str) -> None:
    policy, prompt = one_prompt(tiny[architecture], dtype="bfloat16")
    group = written(policy, prompt, (5, 1, 7))
    expected = result(policy, lambda: [plain(policy).logprobs([group], 1.0)])
    assert_equal(
        result(policy, lambda: [shared(policy).logprobs([group], 1.0)]), expected, BFLOAT16_LOGPROBS, BFLOAT16_GRADIENT
    )


def test_a_tie_of_experts_is_resolved_alike_and_otherwise_changes_only_what_follows_in_its_completion(
    tiny: dict[str, Path],
) -> None:
    """All experts of a layer tie: both passes take the same two.

    Then one token of the second of three completions takes the other two, as where its logits are rounded otherwise.
    """
    policy, prompt = one_prompt(tiny["qwen3_vl_moe"], dtype="bfloat16")
    router = policy.hugging_face.get_decoder().layers[0].mlp.gate
    with torch.no_grad():
        router.weight.zero_()
        group = written(policy, prompt, (5, 6, 7))
        expected = plain(policy).logprobs([group], 1.0)
        found = shared(policy).logprobs([group], 1.0)
        torch.testing.assert_close(found, expected, rtol=0, atol=BFLOAT16_LOGPROBS)
        at = len(prompt.token_ids) + 4 + 2  # the third token of the second completion predicts its fourth
        hook = router.register_forward_hook(lambda _m, _i, routed: _with_other_experts(routed, at))
        otherwise = shared(policy).logprobs([group], 1.0)
        hook.remove()
    assert torch.equal(otherwise[[0, 2]], found[[0, 2]])
    assert torch.equal(otherwise[1, :3], found[1, :3])
    assert (otherwise[1, 3] - found[1, 3]).abs() > 0.01  # two experts of four: 0.06


def _with_other_experts(routed: tuple[torch.Tensor, ...], at: int) -> tuple[torch.Tensor, ...]:
    logits, weights, experts = routed
    changed = experts.clone()
    changed[at] = torch.tensor([one for one in range(4) if one not in experts[at]])
    return logits, weights, changed


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 3), st.lists(st.integers(1, 9), min_size=1, max_size=4)), min_size=1, max_size=3),
    st.sampled_from(["gemma3", "qwen3_vl"]),
    st.sampled_from([0, 60, 256]),
)
def test_any_lengths_and_groupings_equal_the_plain_pass(
    policies: dict[str, VisionLanguagePolicy], drawn: list[tuple[int, list[int]]], architecture: str, whole: int
) -> None:
    policy = policies[architecture]
    prompts = mixed_prompts(policy)
    given = [written(policy, prompts[which], lengths, seed) for seed, (which, lengths) in enumerate(drawn)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "WHOLE", whole)
        expected = result(policy, lambda: [plain(policy).logprobs(given, 1.3)])
        assert_equal(result(policy, lambda: [shared(policy).logprobs(given, 1.3)]), expected)


@pytest.mark.parametrize("in_chunks", [False, True])
def test_prompt_and_images_pass_once(policies: dict[str, VisionLanguagePolicy], in_chunks: bool) -> None:
    policy = policies["qwen3_vl"]
    group = written(policy, mixed_prompts(policy)[2], (4, 3, 5))
    inner, tokens, images = policy.hugging_face.base_model, [], []
    watched = [
        inner.language_model.layers[0].register_forward_hook(lambda m, i, o: tokens.append(o.shape[0] * o.shape[1])),
        inner.visual.register_forward_hook(lambda m, i, o: images.append(1)),
    ]
    if in_chunks:
        result(policy, lambda: shared(policy).logprobs_in_chunks(parts_of(group, 1, 2), 1.0))
    else:
        result(policy, lambda: [shared(policy).logprobs([group], 1.0)])
    for hook in watched:
        hook.remove()
    assert len(images) == 1
    assert sum(tokens) == len(group.prompt.token_ids) + 3 + 2 + 4


def test_without_gradient_parts_need_no_backward_pass(policies: dict[str, VisionLanguagePolicy]) -> None:
    policy = policies["smolvlm"]
    group = written(policy, mixed_prompts(policy)[1], (4, 3, 5))
    with torch.no_grad():
        rows = torch.cat([part[0] for part in shared(policy).logprobs_in_chunks(parts_of(group, 1, 1, 1), 1.0)])
        expected = plain(policy).logprobs([group], 1.0)
    torch.testing.assert_close(rows, torch.cat([expected[0, :4], expected[1, :3], expected[2]]), rtol=0, atol=LOGPROBS)


def test_a_part_without_its_backward_pass_is_noticed(policies: dict[str, VisionLanguagePolicy]) -> None:
    policy = policies["qwen3_vl"]
    parts = parts_of(written(policy, mixed_prompts(policy)[0], (4, 3)), 1, 1)
    with pytest.raises(RuntimeError, match="run the backward pass of each part before the next"):
        list(shared(policy).logprobs_in_chunks(parts, 1.0))


def test_the_backward_pass_of_the_last_part_reaches_every_weight(
    policies: dict[str, VisionLanguagePolicy],
) -> None:
    """Strategies that average gradients over ranks wait in the last backward pass for all of them, the head included,
    which has its own weights in Qwen2.5-VL."""
    policy = policies["qwen2_5_vl"]
    parts = parts_of(written(policy, mixed_prompts(policy)[1], (4, 3, 5)), 2, 1)
    reached: set[str] = set()
    hooks = [
        parameter.register_post_accumulate_grad_hook(lambda _, name=name: reached.add(name))
        for name, parameter in policy.named_parameters()
    ]
    for rows in shared(policy).logprobs_in_chunks(parts, 1.0):
        reached.clear()
        rows.sum().backward()
    for hook in hooks:
        hook.remove()
    assert reached == {name for name, _ in policy.named_parameters()}


def test_frozen_lower_layers_lend_states_without_gradient(tiny: dict[str, Path]) -> None:
    policy, prompt = one_prompt(tiny["qwen3_vl"], freeze_vision=True)
    inner = policy.hugging_face.base_model.language_model
    for part in (inner.embed_tokens, inner.layers[0]):
        part.requires_grad_(False)
    parts = parts_of(written(policy, prompt, (4, 3, 5)), 2, 1)
    expected = result(policy, lambda: (plain(policy).logprobs([part], 1.0) for part in parts))
    assert_equal(result(policy, lambda: shared(policy).logprobs_in_chunks(parts, 1.0)), expected)


def test_one_model_attends_as_usual_outside(policies: dict[str, VisionLanguagePolicy]) -> None:
    policy = policies["gemma3"]
    shared(policy).logprobs([written(policy, mixed_prompts(policy)[0], (2, 2))], 1.0)
    assert policy.hugging_face.get_decoder().config._attn_implementation == "sdpa"


@pytest.mark.parametrize("architecture", ["qwen3_vl", "gemma3"])
def test_flex_attention_gets_the_same_rule(
    tiny: dict[str, Path], architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its kernels want a GPU; here it computes the same uncompiled, without gradient."""
    from torch.nn.attention import flex_attention
    from transformers.integrations import flex_attention as integration

    def uncompiled(query: Any, key: Any, value: Any, training: bool = False, **kwargs: Any) -> Any:
        return flex_attention.flex_attention(query, key, value, **kwargs)

    monkeypatch.setattr(flex_attention, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", True)
    monkeypatch.setattr(integration, "compile_friendly_flex_attention", uncompiled)
    policy, prompt = one_prompt(tiny[architecture], attention="flex_attention")
    given = [written(policy, prompt, (5, 1, 7)), written(policy, mixed_prompts(policy)[0], (3,))]
    with torch.no_grad():
        torch.testing.assert_close(policy.logprobs(given), plain(policy).logprobs(given, 1.0), rtol=0, atol=LOGPROBS)


def text_config(**fields: Any) -> Any:
    text = SimpleNamespace(**fields)
    return SimpleNamespace(model_type="gemma3", get_text_config=lambda: text)


@pytest.mark.parametrize(
    ("config", "attention", "reason"),
    [
        (
            text_config(layer_types=["linear_attention", "full_attention"]),
            "sdpa",
            "layers of the kind linear_attention",
        ),
        (text_config(layer_types=["mamba"]), "sdpa", "layers of the kind mamba"),
        (text_config(attn_logit_softcapping=50.0), "sdpa", "attn_logit_softcapping"),
        (text_config(use_bidirectional_attention=True), "sdpa", "in both directions"),
        (SimpleNamespace(model_type="llava", get_text_config=SimpleNamespace), "sdpa", "models of type llava"),
        (text_config(), "flash_attention_2", "policy.attention: flash_attention_2"),
        (text_config(), "eager", "policy.attention: eager"),
    ],
)
def test_what_cannot_share_prompts_says_why(config: Any, attention: str, reason: str) -> None:
    assert reason in str(why_plain(config, attention))


def test_the_four_families_share_prompts(tiny: dict[str, Path]) -> None:
    for folder in tiny.values():
        assert VisionLanguagePolicy(str(folder)).shares_prompts
        assert not VisionLanguagePolicy(str(folder), shared_prefix=False).shares_prompts
