"""Attention over a packed row, against one softmax per query."""

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from medix.policy import packing
from medix.policy.packing import PackedRow
from medix.policy.prefix_attention import NAME, SharedPrefix, as_before, attend, use_attention


def states(length: int, heads: int, seed: int) -> Tensor:
    return torch.randn(1, heads, length, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def expected(query: Tensor, key: Tensor, value: Tensor, row: PackedRow, scale: float, window: int | None) -> Tensor:
    """Two query heads share a key head."""
    everywhere = torch.arange(len(row))
    key, value = key.repeat_interleave(2, dim=1), value.repeat_interleave(2, dim=1)
    scores = query @ key.transpose(2, 3) * scale
    weights = scores.masked_fill(~row.dense(everywhere, everywhere, window), -torch.inf).softmax(dim=-1)
    return (weights @ value).transpose(1, 2)


@pytest.mark.parametrize("window", [None, 3])
@pytest.mark.parametrize("whole", [0, 256])
def test_it_equals_one_masked_softmax(whole: int, window: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "WHOLE", whole)
    row = PackedRow([5, 2], [[3, 0, 2], [4]])
    query, key, value = states(len(row), 4, 0), states(len(row), 2, 1), states(len(row), 2, 2)
    layer = SimpleNamespace(layer_idx=0)
    found, _ = attend(
        layer, query, key, value, None, shared_prefix=SharedPrefix(row), scaling=0.3, sliding_window=window
    )
    torch.testing.assert_close(found, expected(query, key, value, row, 0.3, window))


@pytest.mark.parametrize("whole", [0, 256])
def test_kept_keys_of_a_prompt_serve_a_later_pass(whole: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "WHOLE", whole)
    row = PackedRow([5], [[3, 2]])
    query, key, value = states(10, 4, 0), states(10, 2, 1), states(10, 2, 2)
    layer = SimpleNamespace(layer_idx=7)
    kept: dict[int, tuple[Tensor, Tensor]] = {}
    alone = SharedPrefix(PackedRow([5], [[]]), kept=kept)
    attend(layer, query[:, :, :5], key[:, :, :5], value[:, :, :5], None, shared_prefix=alone)
    again = SharedPrefix(PackedRow([5], [[]]), kept=kept)  # as checkpointing does: the first states stay
    attend(layer, query[:, :, :5], 0 * key[:, :, :5], value[:, :, :5], None, shared_prefix=again)
    later = SharedPrefix(PackedRow([5], [[3, 2]], cached=5), prompt=kept)
    found, _ = attend(layer, query[:, :, 5:], key[:, :, 5:], value[:, :, 5:], None, shared_prefix=later)
    torch.testing.assert_close(found, expected(query, key, value, row, 0.5, None)[:, 5:])


def test_a_model_attends_otherwise_inside_only_even_after_an_error() -> None:
    config = SimpleNamespace(_attn_implementation="sdpa")

    def fail() -> None:
        with use_attention(config):
            assert config._attn_implementation == NAME
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert config._attn_implementation == "sdpa"


def test_layers_computed_again_attend_as_they_did() -> None:
    """Checkpointing asks for the contexts in the forward pass and enters the second in the backward pass."""
    config = SimpleNamespace(_attn_implementation="sdpa")
    contexts = as_before(config)
    _, usual = contexts()
    with use_attention(config):
        _, again = contexts()
    with again:
        assert config._attn_implementation == NAME
    with use_attention(config), usual:
        assert config._attn_implementation == "sdpa"
    assert config._attn_implementation == "sdpa"
