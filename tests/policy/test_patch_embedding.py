"""The patch embedding as a matrix product."""

from pathlib import Path

import pytest
import torch
from torch import nn

from medix.policy.patch_embedding import PatchEmbedding, multiply_patches
from tests.support.tiny import loaded, mixed_prompts

PATCH = (2, 4, 4)


def convolution(bias: bool = True) -> nn.Conv3d:
    return nn.Conv3d(3, 5, PATCH, stride=PATCH, bias=bias, dtype=torch.float64)


@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_the_convolution(bias: bool) -> None:
    plain = convolution(bias)
    product = PatchEmbedding.of(plain)
    patches = torch.randn(7, 3, *PATCH, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(7, 5, 1, 1, 1, dtype=torch.float64)
    found = []
    for layer in (plain, product):
        output = layer(patches)
        inputs = [patches, *layer.parameters()]
        found.append([output.detach(), *torch.autograd.grad((output * weights).sum(), inputs)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_parameters_are_shared_and_their_names_and_shapes_stay() -> None:
    plain = convolution()
    product = PatchEmbedding.of(plain)
    assert product.weight is plain.weight
    assert product.bias is plain.bias
    assert {name: value.shape for name, value in product.state_dict().items()} == {
        name: value.shape for name, value in plain.state_dict().items()
    }


def test_a_larger_input_is_still_convolved() -> None:
    plain = convolution()
    video = torch.randn(2, 3, 4, 8, 8, dtype=torch.float64)
    assert torch.equal(PatchEmbedding.of(plain)(video), plain(video))


def test_the_product_is_no_convolution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Conv3d, "forward", lambda *_: pytest.fail("convolved"))
    PatchEmbedding.of(convolution())(torch.randn(2, 3, *PATCH, dtype=torch.float64))


@pytest.mark.parametrize(
    "other",
    [
        nn.Conv3d(3, 5, PATCH, stride=1),
        nn.Conv3d(3, 5, PATCH, stride=PATCH, padding=1),
        nn.Conv3d(2, 4, PATCH, stride=PATCH, groups=2),
        nn.Conv2d(3, 5, 4, stride=4),
    ],
)
def test_other_convolutions_are_left_alone(other: nn.Module) -> None:
    model = nn.Sequential(other)
    assert multiply_patches(model) == 0
    assert model[0] is other


@pytest.mark.parametrize("architecture", ["qwen3_vl", "qwen2_5_vl"])
def test_image_features_of_qwen_stay(tiny: dict[str, Path], architecture: str) -> None:
    model = loaded(tiny[architecture]).hugging_face.double().base_model
    for layer in [part for part in model.modules() if isinstance(part, nn.Conv3d)]:
        layer.__class__ = nn.Conv3d  # as Hugging Face makes it
    prompt = mixed_prompts(loaded(tiny[architecture]))[2]
    inputs = {key: prompt.inputs[key] for key in ("pixel_values", "image_grid_thw")}
    names = list(model.state_dict())
    found = []
    for replaced in (0, 1):
        if replaced:
            assert multiply_patches(model) == replaced
        found.append(torch.cat(model.get_image_features(**inputs, return_dict=True).pooler_output))
    assert list(model.state_dict()) == names
    torch.testing.assert_close(*found, rtol=0, atol=1e-12)
