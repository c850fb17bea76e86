"""Images as vLLM's servers take them over HTTP, written without vLLM: importing it takes many seconds, and a GPU's
memory, in a process that only wants to send a few tensors.

The form is that of ``encode_mm_kwargs_item`` of vLLM 0.32: MessagePack (https://msgpack.org) in base64, each tensor
with its field, which says how those of several images are put together.
"""

import base64
import struct
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from medix.rollout.vllm_sampling import PlacedImage

_RAW = 3
"""vLLM's number for the bytes of a tensor."""


def wired(image: PlacedImage, dtype: torch.dtype) -> str:
    """One image.

    Args:
        image: with its tensors.
        dtype: of floating tensors.
    """
    tensors = {name: value.to(dtype) if value.is_floating_point() else value for name, value in image.tensors.items()}
    if "image_grid_thw" in tensors:
        item = {"pixel_values": _flat(tensors["pixel_values"]), "image_grid_thw": _alone(tensors["image_grid_thw"][0])}
    else:
        axes = {"pixel_values": 3}  # channel, height, width; a mask has none of the first
        flat = {name: value.reshape(-1, *value.shape[-axes.get(name, 2) :]) for name, value in tensors.items()}
        item = {name: _flat(value) for name, value in flat.items()}
        item["num_patches"] = _alone(torch.tensor(len(flat["pixel_values"])))
    return base64.b64encode(_packed(item)).decode("ascii")


def _flat(value: Tensor) -> dict[str, Any]:
    """A tensor that stands behind those of other images."""
    field = ("flat", {"keep_on_cpu": False, "slices": [[0, len(value), None]], "dim": 0})
    return {"data": value, "field": field}


def _alone(value: Tensor) -> dict[str, Any]:
    """A tensor that stands beside those of other images, and stays in main memory."""
    return {"data": value, "field": ("batched", {"keep_on_cpu": True})}


def _packed(value: Any) -> bytes:
    """MessagePack of what occurs here."""
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        return struct.pack(">Bq", 0xD3, value)
    if isinstance(value, str):
        text = value.encode()
        return struct.pack(">BB", 0xD9, len(text)) + text
    if isinstance(value, Mapping):
        pairs = (_packed(key) + _packed(entry) for key, entry in value.items())
        return struct.pack(">BH", 0xDE, len(value)) + b"".join(pairs)
    if isinstance(value, list | tuple):
        return struct.pack(">BH", 0xDC, len(value)) + b"".join(_packed(entry) for entry in value)
    if isinstance(value, Tensor):
        data = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        extension = struct.pack(">BIb", 0xC9, len(data), _RAW) + data
        head = _packed(str(value.dtype).removeprefix("torch.")) + _packed(list(value.shape))
        return b"\xdc\x00\x03" + head + extension
    raise TypeError(f"an image holds a {type(value).__name__}, which has no form on the wire")
