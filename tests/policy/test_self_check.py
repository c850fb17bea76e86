"""A shared pass that computes something else is noticed before it trains anything."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from medix.policy import prefix_attention, shared_prefix, vision_language
from medix.policy.lora import LoRA
from medix.policy.self_check import ALLOWED, SharedPrefixError, precision, shortened
from tests.support.passes import one_prompt
from tests.support.tiny import ARCHITECTURES, mixed_prompts, written


def ignoring_masks(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, scaling: float, **kwargs: Any
) -> tuple[Tensor, None]:
    """Causal attention over the whole row, whatever it is told."""
    groups = query.shape[1] // key.shape[1]
    key, value = (part.repeat_interleave(groups, dim=1) for part in (key, value))
    output = F.scaled_dot_product_attention(query, key, value, is_causal=True, scale=scaling)
    return output.transpose(1, 2), None


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_attention_that_ignores_who_sees_whom_stops_the_run(
    tiny: dict[str, Path], architecture: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefix_attention, "attend", ignoring_masks)
    policy, prompt = one_prompt(tiny[architecture], dtype=dtype)
    with pytest.raises(SharedPrefixError) as stopped:
        policy.logprobs([written(policy, prompt, (4,))])
    assert type(policy.hugging_face).__name__ in str(stopped.value)
    for word in (
        "sdpa",
        "log-probabilities differ by",
        "gradients by",
        "change those of the last by",
        "policy.shared_prefix: false",
    ):
        assert word in str(stopped.value)
    assert all(parameter.grad is None for parameter in policy.parameters())


def test_it_stops_a_pass_without_gradient_as_well(tiny: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_attention, "attend", ignoring_masks)
    policy, prompt = one_prompt(tiny["qwen3_vl"])
    with torch.no_grad(), pytest.raises(SharedPrefixError):
        policy.logprobs([written(policy, prompt, (4,))])
    with torch.no_grad(), pytest.raises(SharedPrefixError):
        policy.reference_logprobs([written(policy, prompt, (4,))])


def test_positions_that_go_on_behind_another_completion_stop_the_run(
    tiny: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def going_on(group: Any, prompt: Tensor, following: Tensor) -> Tensor:
        steps = torch.arange(sum(len(c.token_ids) - 1 for c in group.completions))
        return (following + steps).expand(*prompt.shape[:-1], -1)

    monkeypatch.setattr(shared_prefix, "_positions", going_on)
    policy, prompt = one_prompt(tiny["qwen3_vl"])
    with pytest.raises(SharedPrefixError):
        policy.logprobs([written(policy, prompt, (4,))])


def test_a_gradient_that_is_lost_on_the_way_stops_the_run(
    tiny: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values are right; completions do not reach the keys of their prompt in the backward pass."""
    whole = prefix_attention._joined

    def cut(parts: Sequence[Tensor]) -> Tensor:
        return whole([part.detach() for part in parts])

    monkeypatch.setattr(prefix_attention, "_joined", cut)
    policy, prompt = one_prompt(tiny["smolvlm"])
    group = written(policy, prompt, (4, 3))
    with torch.no_grad():
        policy.logprobs([group])
    with pytest.raises(SharedPrefixError, match=r"log-probabilities differ by .*e-0"):
        policy.logprobs([group])


def test_images_are_compared_when_the_first_one_comes(tiny: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """A text passes rightly; the image of the next group is lost in the shared pass alone."""
    joined = shared_prefix.images_of_one_row

    def blank(images: Any) -> dict[str, Any]:
        return {name: value * 0 if name == "pixel_values" else value for name, value in joined(images).items()}

    monkeypatch.setattr(shared_prefix, "images_of_one_row", blank)
    policy, prompt = one_prompt(tiny["qwen3_vl"])
    text = next(one for one in mixed_prompts(policy) if not one.inputs)
    assert prompt.inputs
    policy.logprobs([written(policy, text, (4, 2))])
    with pytest.raises(SharedPrefixError):
        policy.logprobs([written(policy, text, (4, 2)), written(policy, prompt, (4, 3))])
    fresh, _ = one_prompt(tiny["qwen3_vl"])
    with pytest.raises(SharedPrefixError):  # not the first of the pass, but the first with an image
        fresh.logprobs([written(fresh, text, (4, 2)), written(fresh, prompt, (4, 3))])


def test_a_difference_that_is_not_a_number_stops_the_run(
    tiny: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, **kwargs: Any) -> Any:
        return torch.full_like(query, torch.nan).transpose(1, 2), None

    monkeypatch.setattr(prefix_attention, "attend", nowhere)
    policy, prompt = one_prompt(tiny["qwen3_vl"])
    with pytest.raises(SharedPrefixError, match="log-probabilities differ by nan"):
        policy.logprobs([written(policy, prompt, (4,))])


def test_it_compares_once_and_leaves_no_trace(tiny: dict[str, Path]) -> None:
    policy, prompt = one_prompt(tiny["qwen3_vl"], lora=LoRA(rank=2, dropout=0.5))
    group = written(policy, prompt, (4, 2))
    passes: list[bool] = []
    policy.hugging_face.get_decoder().register_forward_hook(lambda *_: passes.append(policy.training))
    state = torch.get_rng_state()
    with torch.no_grad():
        policy.eval()
        policy.logprobs([group])
        policy.train()
    assert torch.equal(torch.get_rng_state(), state)
    assert passes == [False] * 6  # two shared, three plain, and the one that was asked for
    passes.clear()
    policy.logprobs([group])
    assert passes == [False] * 5 + [True]  # with gradients, for the first time
    passes.clear()
    policy.logprobs([group])
    assert passes == [True]
    assert all(parameter.grad is None for parameter in policy.parameters())


def test_it_compares_anew_in_another_precision(tiny: dict[str, Path]) -> None:
    """A dry run or a validation in float32 says nothing of the steps in bfloat16."""
    policy, prompt = one_prompt(tiny["qwen3_vl"])
    group = written(policy, prompt, (4, 2))
    compared: list[float] = []
    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(vision_language, "compare", lambda *given: compared.append(given[4].logprobs))
        policy.logprobs([group])
        with torch.autocast("cpu", dtype=torch.bfloat16):
            policy.logprobs([group])
            policy.logprobs([group])
    assert compared == [ALLOWED[torch.float32].logprobs, ALLOWED[torch.bfloat16].logprobs]


@pytest.mark.parametrize("lengths", [(1,), (1, 1), (50, 30)])
def test_it_looks_at_three_completions_of_a_few_tokens_whatever_was_sampled(
    tiny: dict[str, Path], lengths: tuple[int, ...]
) -> None:
    policy, prompt = one_prompt(tiny["gemma3"])
    group = shortened(written(policy, prompt, lengths), policy.banned_token_ids)
    assert [len(completion.token_ids) for completion in group.completions] == [min(lengths[0], 8), 8, 7]
    assert len({completion.token_ids for completion in group.completions}) == 3
    assert not {token for c in group.completions for token in c.token_ids} & set(policy.banned_token_ids)


def test_a_model_that_cannot_share_warns_once_and_passes_plainly(tiny: dict[str, Path]) -> None:
    with pytest.warns(
        UserWarning, match="every completion passes its prompt again, because policy.attention: eager"
    ) as w:
        policy, prompt = one_prompt(tiny["qwen3_vl"], attention="eager")
    assert len([one for one in w if "shared_prefix" in str(one.message)]) == 1
    group = written(policy, prompt, (4, 2))
    tokens: list[int] = []
    policy.hugging_face.get_decoder().layers[0].register_forward_hook(lambda m, i, o: tokens.append(o.shape[0]))
    policy.logprobs([group])
    list(policy.logprobs_in_chunks([group], 1.0))
    assert not policy.shares_prompts
    assert tokens == [2, 2]


def test_switched_off_it_neither_warns_nor_compares(tiny: dict[str, Path], recwarn: pytest.WarningsRecorder) -> None:
    policy, prompt = one_prompt(tiny["qwen3_vl"], shared_prefix=False)
    rows: list[int] = []
    policy.hugging_face.get_decoder().register_forward_hook(lambda m, i, o: rows.append(1))
    policy.logprobs([written(policy, prompt, (4, 2)), written(policy, mixed_prompts(policy)[0], (1,))])
    assert len(rows) == 2
    assert not [one for one in recwarn if "shared_prefix" in str(one.message)]


def test_the_coarsest_dtype_that_takes_part_decides() -> None:
    cpu = torch.device("cpu")
    assert precision(torch.float32, cpu) == torch.float32
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert precision(torch.float32, cpu) == torch.bfloat16
    assert set(ALLOWED) == {torch.float64, torch.float32, torch.float16, torch.bfloat16}
