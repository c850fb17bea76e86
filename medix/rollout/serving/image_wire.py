"""Images in the form in which vLLM's servers take them over HTTP, without importing vLLM.

Importing vLLM takes many seconds, and GPU memory, in a process that only sends a few tensors. The form is that of
``encode_mm_kwargs_item`` of vLLM 0.32: MessagePack in base64, each tensor with its field, which says how the tensors of
several images are joined.
"""

import base64
from typing import Any

import msgspec
import torch
from torch import Tensor

from medix.rollout.vllm_sampling import PlacedImage

_RAW = 3
"""MessagePack extension type that vLLM gives the bytes of a tensor (``CUSTOM_TYPE_RAW_VIEW``)."""


def wired(image: PlacedImage, dtype: torch.dtype) -> str:
    """Encode one image.

    Args:
        image: with its tensors.
        dtype: that floating-point tensors are converted to.
    """
    tensors = {name: value.to(dtype) if value.is_floating_point() else value for name, value in image.tensors.items()}
    if "image_grid_thw" in tensors:
        item = {"pixel_values": _flat(tensors["pixel_values"]), "image_grid_thw": _alone(tensors["image_grid_thw"][0])}
    else:
        axes = {"pixel_values": 3}  # channel, height, width; a mask has none of the first
        flat = {name: value.reshape(-1, *value.shape[-axes.get(name, 2) :]) for name, value in tensors.items()}
        item = {name: _flat(value) for name, value in flat.items()}
        item["num_patches"] = _alone(torch.tensor(len(flat["pixel_values"])))
    return base64.b64encode(msgspec.msgpack.encode(item, enc_hook=_raw)).decode("ascii")


def _flat(value: Tensor) -> dict[str, Any]:
    """A tensor that is concatenated with those of other images."""
    field = ("flat", {"keep_on_cpu": False, "slices": [[0, len(value), None]], "dim": 0})
    return {"data": value, "field": field}


def _alone(value: Tensor) -> dict[str, Any]:
    """A tensor that is stacked with those of other images, and stays in main memory."""
    return {"data": value, "field": ("batched", {"keep_on_cpu": True})}


def _raw(value: Tensor) -> tuple[str, tuple[int, ...], msgspec.msgpack.Ext]:
    """A tensor: dtype, shape, bytes."""
    data = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return str(value.dtype).removeprefix("torch."), tuple(value.shape), msgspec.msgpack.Ext(_RAW, data)
