"""Hugging Face models as policies, on tiny ones of four families."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from medix.policy import vision_language
from medix.policy.lora import LoRA
from medix.policy.vision_language import VisionLanguagePolicy
from tests.support.passes import wake
from tests.support.tiny import (
    ARCHITECTURES,
    hugging_face_inputs,
    loaded,
    mixed_prompts,
    written,
)
from tests.support.tolerances import LOGPROBS

TEXT, ONE, TWO, LONG = range(4)


@pytest.fixture(scope="module")
def policies(tiny: dict[str, Path]) -> dict[str, VisionLanguagePolicy]:
    return {name: loaded(folder) for name, folder in tiny.items()}


@pytest.fixture(params=ARCHITECTURES)
def policy(request: pytest.FixtureRequest, policies: dict[str, VisionLanguagePolicy]) -> VisionLanguagePolicy:
    policies[request.param].zero_grad()
    return policies[request.param]


@pytest.mark.parametrize("which", [TEXT, ONE, TWO, LONG])
def test_logprobs_equal_those_of_the_models_own_forward_pass(policy: VisionLanguagePolicy, which: int) -> None:
    """Row by row, the processor's inputs through the whole model: log-softmax of logits / 0.7, banned at -inf."""
    group = written(policy, mixed_prompts(policy)[which], (5, 3))
    rows = policy.logprobs([group], temperature=0.7)
    for row, completion in zip(rows, group.completions, strict=True):
        extended = replace(group.prompt, token_ids=group.prompt.token_ids + completion.token_ids)
        with torch.no_grad():
            logits = policy.hugging_face(**hugging_face_inputs(policy, extended)).logits[0] / 0.7
        logits[:, list(policy.banned_token_ids)] = -torch.inf
        predicting = logits[len(group.prompt.token_ids) - 1 : -1].log_softmax(dim=-1)
        expected = predicting.gather(1, torch.tensor(completion.token_ids)[:, None])[:, 0]
        torch.testing.assert_close(row[: len(expected)].detach(), expected, rtol=0, atol=LOGPROBS)
    assert rows.shape == (2, 5)
    assert rows[1, 3:].tolist() == [0, 0]


@pytest.mark.exact
def test_groups_together_equal_groups_alone_padded_to_the_longest(policy: VisionLanguagePolicy) -> None:
    """Within rounding: kernels sum in another order where a batch has another shape."""
    prompts = mixed_prompts(policy)
    groups = [written(policy, prompt, lengths, seed) for seed, (prompt, lengths) in enumerate(
        zip(prompts, [(4, 2), (6, 1), (3, 3), (2, 5)], strict=True))]  # fmt: skip
    together = policy.logprobs(groups)
    assert together.shape == (8, 6)
    for place, group in enumerate(groups):
        alone = policy.logprobs([group])
        rows = together[2 * place : 2 * place + 2]
        torch.testing.assert_close(rows[:, : alone.shape[1]], alone, rtol=0, atol=LOGPROBS)
        assert not rows[:, alone.shape[1] :].any()


def test_splitting_a_group_changes_neither_value_nor_gradient(policy: VisionLanguagePolicy) -> None:
    group = written(policy, mixed_prompts(policy)[TWO], (6, 2, 4))
    whole = policy.logprobs([group])
    whole.sum().backward()
    gradients = {name: parameter.grad.clone() for name, parameter in policy.named_parameters()}
    policy.zero_grad()
    for start in range(3):
        part = policy.logprobs([replace(group, completions=group.completions[start : start + 1])])
        part.sum().backward()
        torch.testing.assert_close(part[0], whole[start, : part.shape[1]], rtol=0, atol=LOGPROBS)
    for name, parameter in policy.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-3, atol=2e-4, msg=name)


def test_images_change_the_logprobs(policy: VisionLanguagePolicy) -> None:
    one = mixed_prompts(policy)[ONE]
    other = replace(one, inputs={**one.inputs, "pixel_values": one.inputs["pixel_values"].flip(-1)})
    rows = [policy.logprobs([written(policy, prompt, (4,))]) for prompt in (one, other)]
    assert (rows[0] - rows[1]).abs().max() > 1e-3


def test_placeholders_are_banned_and_the_end_is_not(policy: VisionLanguagePolicy) -> None:
    banned = set(policy.processor.tokenizer.convert_ids_to_tokens(policy.banned_token_ids))
    expected = {
        "gemma3": {"<start_of_image>", "<end_of_image>", "<image_soft_token>"},
        "smolvlm": {"<image>", "<fake_token_around_image>", "<global-img>"}
        | {f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2)},
    }.get(
        policy.config.model_type,
        {"<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"},
    )
    assert banned == expected
    assert not set(policy.eos_token_ids) & set(policy.banned_token_ids)


def test_processor_and_banned_tokens_need_no_weights(tiny: dict[str, Path]) -> None:
    policy = VisionLanguagePolicy(str(tiny["qwen3_vl"]))
    assert policy.processor is policy.processor
    assert policy.banned_token_ids
    assert policy.context_length == 2048
    assert policy.model is None
    assert not list(policy.parameters())


def test_loading_twice_keeps_the_weights(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"])
    with torch.no_grad():
        next(policy.parameters()).add_(1)
    before = next(policy.parameters()).clone()
    policy.load()
    assert torch.equal(next(policy.parameters()), before)


def test_logits_made_in_pieces_give_the_same_gradient(
    policies: dict[str, VisionLanguagePolicy], monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = policies["qwen3_vl"]
    group = written(policy, mixed_prompts(policy)[ONE], (7, 5))
    results = []
    for at_once in (2**27, 3 * policy.config.text_config.vocab_size):
        monkeypatch.setattr(vision_language, "LOGITS_AT_ONCE", at_once)
        policy.zero_grad()
        rows = policy.logprobs([group])
        rows.square().sum().backward()
        results.append((rows.detach(), policy.hugging_face.lm_head.weight.grad.clone()))
    torch.testing.assert_close(results[0], results[1], rtol=1e-4, atol=1e-5)


def test_frozen_vision_gets_no_gradient_and_the_language_model_does(tiny: dict[str, Path]) -> None:
    for name, folder in tiny.items():
        policy = loaded(folder, freeze_vision=True)
        policy.logprobs([written(policy, mixed_prompts(policy)[ONE], (3,))]).sum().backward()
        trained = {n for n, parameter in policy.named_parameters() if parameter.grad is not None}
        assert trained, name
        assert not [n for n in trained if any(word in n for word in ("visual", "vision", "projector", "connector"))], (
            name
        )
        left = [n for n, p in policy.named_parameters() if p.requires_grad and p.grad is None]
        assert not left, name


def test_without_images_every_parameter_still_gets_a_gradient_if_asked_for(tiny: dict[str, Path]) -> None:
    for name, folder in tiny.items():
        policy = loaded(folder, every_parameter=True)
        text, one = mixed_prompts(policy)[:2]
        policy.logprobs([written(policy, text, (3,))]).sum().backward()
        touched = {n for n, parameter in policy.named_parameters() if parameter.grad is not None}
        vision = [p for n, p in policy.named_parameters() if "visual" in n or "vision" in n]
        assert all(not parameter.grad.any() for parameter in vision if parameter.grad is not None)
        policy.zero_grad()
        policy.logprobs([written(policy, one, (3,))]).sum().backward()
        assert touched == {n for n, parameter in policy.named_parameters() if parameter.grad is not None}, name


@pytest.mark.exact
def test_touching_the_vision_tower_changes_no_value(tiny: dict[str, Path]) -> None:
    plain, touching = loaded(tiny["gemma3"]), loaded(tiny["gemma3"], every_parameter=True)
    group = written(plain, mixed_prompts(plain)[TEXT], (4, 2))
    assert torch.equal(plain.logprobs([group]), touching.logprobs([group]))


@pytest.mark.parametrize("lora", [None, LoRA(rank=2)])
@pytest.mark.parametrize("architecture", ["qwen3_vl", "gemma3"])
def test_gradient_checkpointing_changes_no_gradient_and_does_compute_again(
    tiny: dict[str, Path], architecture: str, lora: LoRA | None
) -> None:
    gradients, passes = [], []
    for checkpointing in (False, True):
        policy = loaded(tiny[architecture], lora=lora, gradient_checkpointing=checkpointing)
        if lora is not None:
            wake(policy)
        policy.logprobs([written(policy, mixed_prompts(policy)[ONE], (4, 3))])  # compares itself with the plain pass
        layer = policy.hugging_face.get_decoder().layers[0].self_attn
        seen: list[int] = []
        layer.register_forward_hook(lambda *_, seen=seen: seen.append(1))
        policy.logprobs([written(policy, mixed_prompts(policy)[ONE], (4, 3))]).sum().backward()
        gradients.append({n: p.grad for n, p in policy.named_parameters() if p.grad is not None})
        passes.append(len(seen))
    assert passes == [1, 2]
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-5, atol=1e-6, msg=name)


def test_bfloat16_weights_give_float32_logprobs(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"], dtype="bfloat16")
    rows = policy.logprobs([written(policy, mixed_prompts(policy)[ONE], (3,))])
    assert policy.hugging_face.dtype == torch.bfloat16
    assert rows.dtype == torch.float32


@pytest.mark.exact
def test_the_same_pass_twice_gives_the_same_bits(policy: VisionLanguagePolicy) -> None:
    groups = [written(policy, prompt, (5, 4)) for prompt in mixed_prompts(policy)[:3]]
    policy.logprobs(groups)  # compares itself with the plain pass
    rows, gradients = [], []
    for _ in range(2):
        policy.zero_grad()
        rows.append(policy.logprobs(groups))
        rows[-1].sum().backward()
        gradients.append([parameter.grad.clone() for parameter in policy.parameters() if parameter.grad is not None])
    assert torch.equal(*rows)
    assert len(gradients[0]) > 20
    assert all(torch.equal(one, again) for one, again in zip(*gradients, strict=True))


def test_no_groups_and_groups_without_completions_are_refused(policies: dict[str, VisionLanguagePolicy]) -> None:
    policy = policies["qwen3_vl"]
    with pytest.raises(ValueError, match="logprobs of no groups were asked for"):
        policy.logprobs([])
    empty = replace(written(policy, mixed_prompts(policy)[ONE], (1,)), completions=())
    with pytest.raises(ValueError, match="the groups of samples one have no completions; leave them out"):
        policy.logprobs([empty])


def test_the_fingerprint_is_plain_and_tells_policies_apart(tiny: dict[str, Path]) -> None:
    name = str(tiny["qwen3_vl"])
    plain, adapted = (VisionLanguagePolicy(name, lora=lora).fingerprint() for lora in (None, LoRA(rank=4)))
    assert plain != adapted
    assert adapted["lora"]["rank"] == 4


def test_a_model_that_cannot_be_read_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"policy\.name: .*nothing.* could not be read(.|\n)*Give a folder"):
        VisionLanguagePolicy(str(tmp_path / "nothing")).load()


def test_using_weights_before_loading_them_says_so(tiny: dict[str, Path]) -> None:
    with pytest.raises(RuntimeError, match=r"call load\(\) first"):
        _ = VisionLanguagePolicy(str(tiny["qwen3_vl"])).hugging_face
