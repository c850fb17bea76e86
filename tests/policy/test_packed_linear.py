"""Linear layers with weights in a blocked layout."""

from pathlib import Path

import pytest
import torch
from torch import nn

from medix.policy import packed_linear
from medix.policy.lora import LoRA
from medix.policy.packed_linear import packed
from tests.support.tiny import loaded, mixed_prompts
from tests.support.tolerances import LOGPROBS


def layers() -> nn.Sequential:
    return nn.Sequential(nn.Linear(24, 40), nn.SiLU(), nn.Linear(40, 9, bias=False))


def _is_packed(layer: nn.Module) -> bool:
    return "forward" in vars(layer)


@torch.no_grad()
def test_products_differ_by_rounding_only() -> None:
    model, rows = layers(), torch.randn(3, 1, 24)
    expected = model(rows)
    with packed(model):
        assert [_is_packed(layer) for layer in model] == [True, False, True]
        torch.testing.assert_close(model(rows), expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(model(rows[:1]), expected[:1], rtol=1e-5, atol=1e-6)
    assert torch.equal(model(rows), expected)


@torch.no_grad()
def test_every_entry_sees_the_weights_of_its_time() -> None:
    model, rows = layers(), torch.randn(2, 24)
    with packed(model):
        model(rows)
    model[0].weight.mul_(2)
    expected = model(rows)
    with packed(model):
        torch.testing.assert_close(model(rows), expected, rtol=1e-5, atol=1e-6)


def test_the_layers_are_as_they_were_after_an_error() -> None:
    model = layers()
    with pytest.raises(KeyError), packed(model):
        raise KeyError
    assert not any(map(_is_packed, model))
    model(torch.randn(2, 24)).sum().backward()
    assert model[0].weight.grad is not None


def test_other_kinds_dtypes_and_what_is_too_large_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    class Scaled(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
            return 2 * super().forward(input)

    monkeypatch.setattr(packed_linear, "ROOM", 4 * (24 * 24 + 8))
    model = nn.ModuleList(
        [Scaled(4, 2), nn.Linear(4, 2, dtype=torch.bfloat16), nn.Linear(24, 24), nn.Linear(3, 3), nn.Linear(4, 2)]
    )
    with packed(model):
        assert [_is_packed(layer) for layer in model] == [False, False, True, False, True]


def test_a_pytorch_without_the_operations_multiplies_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_linear, "_is_supported", lambda: False)
    model = layers()
    with packed(model):
        assert not any(map(_is_packed, model))


def test_this_pytorch_has_the_operations() -> None:
    """If this fails, PyTorch renamed what its compiler uses: sampling on a CPU is slower, and nothing else."""
    assert packed_linear._is_supported()


@torch.no_grad()
def test_a_policy_with_adapters_decodes_the_same(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"], lora=LoRA(rank=2)).eval()
    for name, parameter in policy.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(0))
    expected = policy.prefill(mixed_prompts(policy)[1:2]).logits
    with packed(policy):
        assert sum(map(_is_packed, policy.modules())) > 30
        found = policy.prefill(mixed_prompts(policy)[1:2]).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=LOGPROBS)


def test_under_autocast_layers_stay_as_they_are() -> None:
    """Rows come in bfloat16 there, and a float32 layout does not take them."""
    layer = torch.nn.Linear(32, 16)
    rows = torch.randn(4, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        expected = layer(rows)
        with packed(layer):
            assert torch.equal(layer(rows), expected)
