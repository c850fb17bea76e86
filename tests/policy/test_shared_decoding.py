"""Completions that share the keys and values of their prompt."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from medix.policy.lora import LoRA
from medix.policy.shared_decoding import SharedDecoding, why_not_shared
from medix.policy.vision_language import VisionLanguagePolicy
from tests.support.tiny import ARCHITECTURES, loaded, mixed_prompts
from tests.support.tolerances import LOGPROBS

G = 3


@pytest.fixture(scope="module")
def policies(tiny: dict[str, Path]) -> dict[str, VisionLanguagePolicy]:
    return {name: loaded(folder).eval() for name, folder in tiny.items()}


@pytest.fixture(params=ARCHITECTURES)
def policy(request: pytest.FixtureRequest, policies: dict[str, VisionLanguagePolicy]) -> VisionLanguagePolicy:
    return policies[request.param]


def _tokens(rows: int, step: int) -> torch.Tensor:
    return torch.arange(rows) % 5 * 7 + 60 + step % 3


def _plain_logits(policy: VisionLanguagePolicy, which: list[int], steps: int) -> list[torch.Tensor]:
    """Scores after each token, every completion with a copy of its prompt, as Hugging Face decodes."""
    plain = policy.prefill([mixed_prompts(policy)[place] for place in which])
    plain.repeat(G)
    found = [plain.logits]
    for step in range(steps):
        policy.decode(plain, _tokens(len(plain.logits), step))
        found.append(plain.logits)
    return found


@pytest.mark.parametrize("which", [[0], [1, 2, 3]], ids=["text", "padded"])
def test_scores_are_those_of_completions_with_a_copy_of_their_prompt(
    policy: VisionLanguagePolicy, which: list[int]
) -> None:
    """Forty tokens: more than Gemma's window of 32, so that its layers lose the prompt and then their own beginning."""
    shared = SharedDecoding([policy.prefill([mixed_prompts(policy)[place] for place in which])], G, room=40)
    for step, expected in enumerate(_plain_logits(policy, which, steps=40)):
        torch.testing.assert_close(shared.logits, expected, rtol=0, atol=LOGPROBS)
        if step < 40:
            policy.decode(shared, _tokens(len(expected), step))


def test_prompts_of_several_passes_are_one_batch(policy: VisionLanguagePolicy) -> None:
    prompts = mixed_prompts(policy)
    parts = [policy.prefill(prompts[:1]), policy.prefill(prompts[1:3]), policy.prefill(prompts[3:])]
    shared = SharedDecoding(parts, G, room=2)
    policy.decode(shared, _tokens(4 * G, 0))
    torch.testing.assert_close(shared.logits, _plain_logits(policy, [0, 1, 2, 3], steps=1)[-1], rtol=0, atol=LOGPROBS)


def test_rows_that_stay_decode_as_before_and_each_group_keeps_as_many(policy: VisionLanguagePolicy) -> None:
    """Of groups 0 and 2 rows 1 and {0, 2} are needed: two rows each stay, and group 1 leaves whole."""
    which = [0, 1, 2]
    shared = SharedDecoding([policy.prefill([mixed_prompts(policy)[place] for place in which])], G, room=6)
    expected = _plain_logits(policy, which, steps=6)
    for step in range(3):
        policy.decode(shared, _tokens(9, step))
    kept = shared.keep([1, 6, 8])
    assert kept == [0, 1, 6, 8]
    assert shared.keep([0, 1, 2]) == [0, 1, 2, 3]  # a copy for one row in four is not worth it
    for step in range(3, 6):
        torch.testing.assert_close(shared.logits, expected[step][kept], rtol=0, atol=LOGPROBS)
        policy.decode(shared, _tokens(9, step)[kept])
    torch.testing.assert_close(shared.logits, expected[6][kept], rtol=0, atol=LOGPROBS)


def test_the_keys_of_a_prompt_exist_once_and_are_not_copied(policies: dict[str, VisionLanguagePolicy]) -> None:
    policy = policies["qwen3_vl"]
    prompt = policy.prefill(mixed_prompts(policy)[1:2])
    keys = prompt.cache.layers[0].keys
    shared = SharedDecoding([prompt], completions=50, room=4)
    layer = shared.cache.layers[0]
    assert layer.prompt_keys.data_ptr() == keys.data_ptr()
    memory = [each.data_ptr() for each in (layer.own_keys, layer.own_values)]
    for step in range(4):
        policy.decode(shared, _tokens(50, step))
    assert [each.data_ptr() for each in (layer.own_keys, layer.own_values)] == memory


def test_a_token_more_than_there_is_room_for_is_an_error(policies: dict[str, VisionLanguagePolicy]) -> None:
    policy = policies["qwen3_vl"]
    shared = SharedDecoding([policy.prefill(mixed_prompts(policy)[:1])], 1, room=1)
    policy.decode(shared, torch.tensor([65]))
    with pytest.raises(IndexError):
        policy.decode(shared, torch.tensor([65]))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_four_families_agree_with_their_own_decoding(tiny: dict[str, Path], dtype: str) -> None:
    for name, folder in tiny.items():
        policy = loaded(folder, dtype=dtype).eval()
        with torch.no_grad():
            assert why_not_shared(policy.hugging_face, policy.prefill(mixed_prompts(policy)[1:2])) is None, name


def test_adapters_take_part(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"], lora=LoRA(rank=2)).eval()
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert why_not_shared(policy.hugging_face, policy.prefill(mixed_prompts(policy)[1:2])) is None


@torch.no_grad()
def test_a_model_whose_attention_does_more_is_found_out(tiny: dict[str, Path]) -> None:
    """Attention that scales its output, which is not a part by the names that are read."""
    policy = loaded(tiny["qwen3_vl"]).eval()
    prompt = policy.prefill(mixed_prompts(policy)[:1])
    attention = policy.hugging_face.get_decoder().layers[1].self_attn
    attention.register_forward_hook(lambda _module, _given, output: (output[0] * 1.2, output[1]))
    reason = why_not_shared(policy.hugging_face, prompt)
    assert reason is not None
    assert "logits differ by" in reason


@torch.no_grad()
def test_a_model_with_other_parts_says_which_is_missing(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"]).eval()
    prompt = policy.prefill(mixed_prompts(policy)[:1])
    layer = policy.hugging_face.get_decoder().layers[1]
    layer.input_norm = layer.input_layernorm
    del layer.input_layernorm
    layer.forward = lambda hidden_states, **_: hidden_states
    assert "has no attribute 'input_layernorm'" in str(why_not_shared(policy.hugging_face, prompt))


@torch.no_grad()
def test_a_family_that_is_not_tested_is_not_decoded_so_even_if_a_few_tokens_agree(tiny: dict[str, Path]) -> None:
    """Ministral 3 scales its queries beyond position 16,384, which three tokens after a short prompt do not show."""
    policy = loaded(tiny["qwen3_vl"]).eval()
    policy.hugging_face.config.model_type = "mistral3"
    reason = why_not_shared(policy.hugging_face, policy.prefill(mixed_prompts(policy)[:1]))
    assert str(reason).startswith("models of type mistral3 are untested with it")


def test_a_cache_of_another_kind_is_refused_by_its_name(policies: dict[str, VisionLanguagePolicy]) -> None:
    policy = policies["qwen3_vl"]
    prompt = policy.prefill(mixed_prompts(policy)[:1])

    class RecurrentState:
        pass

    other = deepcopy(prompt)
    other.cache.layers[0] = RecurrentState()
    assert why_not_shared(policy.hugging_face, other) == "its cache is made of RecurrentState"
    other.cache = RecurrentState()
    assert why_not_shared(policy.hugging_face, other) == "its cache is made of RecurrentState"


@torch.no_grad()
@pytest.mark.parametrize("ask", ["accelerator", "python", "cpu"])
def test_out_of_memory_is_not_taken_for_a_model_that_cannot_share(
    policies: dict[str, VisionLanguagePolicy], monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    """The way that needs no sharing needs more memory still."""
    policy = policies["qwen3_vl"]
    prompt = policy.prefill(mixed_prompts(policy)[:1])

    def step(*_: Any) -> None:
        if ask == "accelerator":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        if ask == "python":
            raise MemoryError
        torch.empty(2**50)

    monkeypatch.setattr(SharedDecoding, "step", step)
    with pytest.raises((RuntimeError, MemoryError)):
        why_not_shared(policy.hugging_face, prompt)
