"""The reference policy."""

from pathlib import Path

import pytest
import torch
from torch import nn

from medix.policy.lora import LoRA
from medix.policy.reference import in_evaluation
from medix.types import RolloutGroup
from tests.support.tiny import loaded, mixed_prompts, written
from tests.support.tolerances import LOGPROBS


@pytest.mark.parametrize("lora", [None, LoRA(rank=2, dropout=0.5)])
def test_the_reference_stays_while_the_policy_moves(tiny: dict[str, Path], lora: LoRA | None) -> None:
    policy = loaded(tiny["qwen3_vl"], lora=lora)
    group = written(policy, mixed_prompts(policy)[1], (4, 2))
    with in_evaluation(policy):
        start = policy.logprobs([group], 0.9).detach()
    with torch.no_grad():
        for parameter in policy.parameters():
            if parameter.requires_grad:
                parameter.add_(0.05)
    moved = policy.logprobs([group], 0.9)
    reference = policy.reference_logprobs([group], 0.9)
    assert (moved - start).abs().max() > 1e-3
    torch.testing.assert_close(reference, start, rtol=0, atol=LOGPROBS)
    assert not reference.requires_grad
    assert policy.training


@pytest.mark.parametrize("lora", [None, LoRA(rank=2, dropout=0.5)])
def test_parts_of_a_group_have_the_rows_of_the_group_whole(tiny: dict[str, Path], lora: LoRA | None) -> None:
    policy = loaded(tiny["qwen3_vl"], lora=lora)
    group = written(policy, mixed_prompts(policy)[1], (4, 2, 3))
    whole = policy.reference_logprobs([group], 0.9)
    parts = [RolloutGroup(group.prompt, group.completions[start : start + 1], 0) for start in range(3)]
    for row, table in zip(whole, policy.reference_logprobs_in_chunks(parts, 0.9), strict=True):
        assert not table.requires_grad
        torch.testing.assert_close(row[: table.shape[1]], table[0], rtol=0, atol=LOGPROBS)
    assert torch.is_grad_enabled()
    assert policy.training
    assert policy.logprobs([group]).requires_grad


@pytest.mark.parametrize("lora", [None, LoRA(rank=2)])
def test_the_reference_is_no_part_of_the_policy(tiny: dict[str, Path], lora: LoRA | None) -> None:
    policy = loaded(tiny["qwen3_vl"], lora=lora)
    before = (len(list(policy.parameters())), set(policy.state_dict()), len(list(policy.modules())))
    policy.reference_logprobs([written(policy, mixed_prompts(policy)[0], (2,))])
    assert (len(list(policy.parameters())), set(policy.state_dict()), len(list(policy.modules()))) == before


def test_adapters_are_on_again_after_the_reference_was_asked(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"], lora=LoRA(rank=2))
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if "lora_B" in name:
                nn.init.constant_(parameter, 0.1)
    group = written(policy, mixed_prompts(policy)[0], (3,))
    before = policy.logprobs([group])
    policy.reference_logprobs([group])
    assert torch.equal(policy.logprobs([group]), before)
    assert all(parameter.requires_grad for name, parameter in policy.named_parameters() if "lora_" in name)


def test_every_submodule_gets_its_mode_back() -> None:
    module = nn.Sequential(nn.Dropout(), nn.Dropout())
    module[1].eval()
    with in_evaluation(module):
        assert not any(part.training for part in module.modules())
    assert [part.training for part in module.modules()] == [True, True, False]
