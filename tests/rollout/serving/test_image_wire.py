"""Images on the wire, decoded again."""

import base64
from typing import Any

import msgspec
import pytest
import torch
from torch import Tensor

from medix.rollout.serving.image_wire import wired
from medix.rollout.vllm_sampling import PlacedImage


def unpacked(data: bytes) -> Any:
    return msgspec.msgpack.decode(data, ext_hook=lambda kind, view: (kind, bytes(view)))


def tensor_of(entry: list[Any]) -> Tensor:
    dtype, shape, (kind, data) = entry
    assert kind == 3
    return torch.frombuffer(bytearray(data), dtype=getattr(torch, dtype)).reshape(shape)


def sent(dtype: torch.dtype = torch.float32, **tensors: Tensor) -> dict[str, Any]:
    found: dict[str, Any] = unpacked(base64.b64decode(wired(PlacedImage(3, 4, tensors, "d"), dtype)))
    return found


def test_patches_stand_behind_each_other_and_their_grid_beside_others() -> None:
    pixels, grid = torch.randn(8, 12), torch.tensor([[1, 2, 4]])
    found = sent(pixel_values=pixels, image_grid_thw=grid)
    assert torch.equal(tensor_of(found["pixel_values"]["data"]), pixels)
    assert found["pixel_values"]["field"] == ["flat", {"keep_on_cpu": False, "slices": [[0, 8, None]], "dim": 0}]
    assert torch.equal(tensor_of(found["image_grid_thw"]["data"]), grid[0])
    assert found["image_grid_thw"]["field"] == ["batched", {"keep_on_cpu": True}]


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 1, 3, 4, 4)])
def test_an_image_that_is_no_patches_is_counted(shape: tuple[int, ...]) -> None:
    pixels = torch.randn(shape)
    found = sent(pixel_values=pixels)
    assert torch.equal(tensor_of(found["pixel_values"]["data"]), pixels.reshape(1, 3, 4, 4))
    assert tensor_of(found["num_patches"]["data"]).item() == 1
    assert found["num_patches"]["data"][1] == []


def test_a_mask_has_no_channels() -> None:
    found = sent(pixel_values=torch.randn(1, 1, 3, 4, 4), pixel_attention_mask=torch.ones(1, 1, 4, 4, dtype=torch.bool))
    assert found["pixel_attention_mask"]["data"][:2] == ["bool", [1, 4, 4]]


def test_numbers_go_in_the_dtype_of_the_policy_and_whole_numbers_as_they_are() -> None:
    found = sent(torch.bfloat16, pixel_values=torch.randn(2, 3), image_grid_thw=torch.tensor([[1, 1, 2]]))
    assert found["pixel_values"]["data"][0] == "bfloat16"
    assert found["image_grid_thw"]["data"][0] == "int64"


def test_a_tensor_that_lies_otherwise_in_memory_is_the_same_on_the_wire() -> None:
    pixels = torch.randn(6, 4).T
    found = sent(pixel_values=pixels, image_grid_thw=torch.tensor([[1, 1, 4]]))
    assert torch.equal(tensor_of(found["pixel_values"]["data"]), pixels)
