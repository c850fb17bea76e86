"""One token of each row through a decoder; its logits are compared with those of the models in test_shared_decoding."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from medix.policy.decoder_step import DecoderStep, _HeadNorm, _Norm
from medix.policy.lora import LoRA
from medix.policy.packed_linear import PackedProduct
from medix.policy.shared_decoding import SharedDecoding, why_not_shared
from tests.support.tiny import ARCHITECTURES, loaded, mixed_prompts
from tests.support.tolerances import LOGPROBS


@torch.no_grad()
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_norms_multiply_by_what_the_models_do(tiny: dict[str, Path], architecture: str) -> None:
    """Gemma's multiply by 1 + weight."""
    decoder = loaded(tiny[architecture]).hugging_face.get_decoder()
    norms = [module for module in decoder.modules() if type(module).__name__.endswith("RMSNorm")]
    assert len(norms) > 4
    for norm in norms:
        nn.init.normal_(norm.weight, generator=torch.Generator().manual_seed(0))
        rows = torch.randn(3, len(norm.weight))
        torch.testing.assert_close(_Norm(norm)(rows), norm(rows), rtol=1e-5, atol=1e-6)
        narrow = norm.bfloat16()
        assert torch.equal(_Norm(narrow)(rows.bfloat16()), narrow(rows.bfloat16()))


@torch.no_grad()
def test_a_norm_by_hand() -> None:
    """Row (3, 4): its mean square is 12.5; weights 1 and 2."""

    class Norm(nn.Module):
        eps = 0.0

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor([1.0, 2.0]))

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.weight * rows * rows.pow(2).mean(-1, keepdim=True).rsqrt()

    expected = torch.tensor([[3 / 12.5**0.5, 8 / 12.5**0.5]])
    torch.testing.assert_close(_Norm(Norm())(torch.tensor([[3.0, 4.0]])), expected)
    heads = _HeadNorm(Norm(), Norm(), query_heads=2, key_heads=1)
    torch.testing.assert_close(heads(torch.tensor([[[3.0, 4.0]] * 3])), expected.expand(1, 3, 2))


@torch.no_grad()
def test_heads_in_bfloat16_are_rounded_where_the_model_rounds_them(tiny: dict[str, Path]) -> None:
    attention = loaded(tiny["qwen3_vl"], dtype="bfloat16").hugging_face.get_decoder().layers[0].self_attn
    for norm in (attention.q_norm, attention.k_norm):
        nn.init.normal_(norm.weight)
    rows = torch.randn(5, 3, attention.head_dim, dtype=torch.bfloat16)
    expected = torch.cat([attention.q_norm(rows[:, :2]), attention.k_norm(rows[:, 2:])], dim=1)
    assert torch.equal(_HeadNorm(attention.q_norm, attention.k_norm, 2, 1)(rows), expected)


@torch.no_grad()
@pytest.mark.parametrize("lora", [None, LoRA(rank=2)], ids=["whole", "adapters"])
def test_every_layer_of_a_float32_policy_is_packed(tiny: dict[str, Path], lora: LoRA | None) -> None:
    policy = loaded(tiny["qwen3_vl"], lora=lora).eval()
    step = DecoderStep(policy.hugging_face)
    for layer in step._layers:
        parts = [layer.projections, layer.output, layer.mlp.gate_and_up, layer.mlp.down]  # type: ignore[attr-defined]
        assert all(type(part) is PackedProduct for part in parts)


@torch.no_grad()
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_under_autocast_it_decodes_as_the_model_does(tiny: dict[str, Path], architecture: str) -> None:
    policy = loaded(tiny[architecture]).eval()
    with torch.autocast("cpu", torch.bfloat16):
        reason = why_not_shared(policy.hugging_face, policy.prefill(mixed_prompts(policy)[1:2]))
    # float32 logits are compared to 0.1 %, which products in bfloat16 do not reach: they differ by their rounding
    assert reason is None or float(reason.split("differ by ")[1].split("%")[0]) < 5


@torch.no_grad()
def test_one_decoder_serves_several_batches(tiny: dict[str, Path]) -> None:
    policy = loaded(tiny["qwen3_vl"]).eval()
    decoder = DecoderStep(policy.hugging_face)
    for which in (slice(0, 1), slice(1, 4)):
        given: Any = [policy.prefill(mixed_prompts(policy)[which])]
        one, other = SharedDecoding(given, 2, room=1, decoder=decoder), SharedDecoding(given, 2, room=1)
        tokens = torch.full((len(one.logits),), 65)
        policy.decode(one, tokens)
        policy.decode(other, tokens)
        torch.testing.assert_close(one.logits, other.logits, rtol=0, atol=LOGPROBS)


class Operations(TorchDispatchMode):
    """Counts operations by name."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.counts[str(func)] += not func.is_view
        return func(*args, **kwargs or {})


@torch.no_grad()
def test_a_token_takes_four_products_a_layer_where_the_model_takes_seven(tiny: dict[str, Path]) -> None:
    """Two layers and the head; query, key and value are one product, gate and up another."""
    policy = loaded(tiny["qwen3_vl"]).eval()
    tokens = torch.full((4,), 65)
    found = []
    for shares in (True, False):
        decoding: Any = policy.prefill(mixed_prompts(policy)[1:2])
        if shares:
            decoding = SharedDecoding([decoding], 4, room=2)
        else:
            decoding.repeat(4)
        policy.decode(decoding, tokens)
        with Operations() as operations:
            policy.decode(decoding, tokens)
        found.append(operations.counts)
    assert found[0]["mkldnn._linear_pointwise.default"] == 4 * 2 + 1
    assert found[1]["aten.mm.default"] == 7 * 2 + 1
    assert found[0].total() < found[1].total()
