"""Linear layers with the same input as one product, with weights in a blocked layout."""

from pathlib import Path

import pytest
import torch
from torch import nn

from medix.policy import packed_linear
from medix.policy.lora import LoRA
from medix.policy.packed_linear import PackedProduct, Packing, Product
from tests.support.tiny import loaded


def pair(bias: bool = True) -> tuple[nn.Linear, nn.Linear]:
    return nn.Linear(24, 40, bias=bias), nn.Linear(24, 9, bias=bias)


@torch.no_grad()
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("rows", [1, 3, 17])
def test_products_differ_by_rounding_only(bias: bool, rows: int) -> None:
    layers, given = pair(bias), torch.randn(rows, 24)
    product = Packing().product(*layers)
    assert type(product) is PackedProduct
    expected = torch.cat([layer(given) for layer in layers], dim=1)
    torch.testing.assert_close(product(given), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(Product(layers)(given), expected, rtol=0, atol=0)


@torch.no_grad()
def test_by_hand() -> None:
    """Weights 1 and 2 of one layer, 3 of the other with bias 10, row (1, 1): 3 and 6 + 10."""
    one, two = nn.Linear(2, 1), nn.Linear(2, 1)
    for layer, weight, bias in ((one, [[1.0, 2.0]], [0.0]), (two, [[3.0, 3.0]], [10.0])):
        layer.weight.copy_(torch.tensor(weight))
        layer.bias.copy_(torch.tensor(bias))
    assert Packing().product(one, two)(torch.ones(1, 2)).tolist() == [[3.0, 16.0]]


@torch.no_grad()
def test_a_product_has_the_weights_of_its_time() -> None:
    layers, rows = pair(), torch.randn(2, 24)
    before = Packing().product(*layers)
    expected = before(rows)
    layers[0].weight.mul_(2)
    assert torch.equal(before(rows), expected)
    after = Packing().product(*layers)(rows)
    torch.testing.assert_close(after[:, :40], layers[0](rows), rtol=1e-5, atol=1e-6)


def test_other_kinds_and_dtypes_are_called() -> None:
    class Scaled(nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
            return 2 * super().forward(input)

    mixed = (nn.Linear(4, 2), nn.Linear(4, 2, bias=False))
    for layers in ((Scaled(4, 2),), (nn.Linear(4, 2), Scaled(4, 2)), (nn.Linear(4, 2, dtype=torch.bfloat16),), mixed):
        product = Packing().product(*layers)
        assert type(product) is Product
        rows = torch.ones(1, 4, dtype=layers[0].weight.dtype)
        expected = torch.cat([layer(rows) for layer in layers], dim=1)
        assert torch.equal(product(rows), expected)


def test_what_there_is_no_room_for_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_linear, "ROOM", 4 * (24 * 24 + 8))
    packing = Packing()
    made = [packing.product(layer) for layer in (nn.Linear(24, 24), nn.Linear(3, 3), nn.Linear(4, 2))]
    assert [type(product) is PackedProduct for product in made] == [True, False, True]


@torch.no_grad()
@pytest.mark.parametrize("disabled", [False, True])
def test_adapters_are_merged_unless_they_are_switched_off(tiny: dict[str, Path], disabled: bool) -> None:
    policy = loaded(tiny["qwen3_vl"], lora=LoRA(rank=2)).eval()
    adapted = policy.hugging_face.get_decoder().layers[0].self_attn.q_proj
    rows = torch.randn(3, adapted.in_features)
    nn.init.normal_(adapted.lora_B["default"].weight, std=0.1)
    adapted.enable_adapters(not disabled)
    product = Packing().product(adapted)
    assert type(product) is (Product if disabled else PackedProduct)
    torch.testing.assert_close(product(rows), adapted(rows), rtol=1e-5, atol=1e-6)
    assert torch.equal(adapted(rows), adapted.base_layer(rows)) == disabled


def test_a_pytorch_without_the_operations_multiplies_as_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed_linear, "_is_supported", lambda: False)
    assert type(Packing().product(*pair())) is Product


def test_this_pytorch_has_the_operations() -> None:
    """If this fails, PyTorch renamed what its compiler uses: sampling on a CPU is slower, and nothing else."""
    assert packed_linear._is_supported()


def test_under_autocast_layers_are_called() -> None:
    """Rows come in bfloat16 there, and a float32 layout does not take them."""
    layer = nn.Linear(32, 16)
    rows = torch.randn(4, 32)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        product = Packing().product(layer)
        assert type(product) is Product
        assert torch.equal(product(rows), layer(rows))
