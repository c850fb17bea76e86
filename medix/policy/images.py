"""Joining and repeating image tensors in the layout of each model family.

Two layouts exist. Most families concatenate the images of all rows along the first dimension (Qwen: patches and a grid;
Gemma 3: images or crops). The Idefics family, SmolVLM with it, has one row per prompt, ``[row, image, channel, height,
width]``, padded with all-zero images that the model skips.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

ImageInputs = Mapping[str, Any]


def join_images(inputs: Sequence[ImageInputs]) -> dict[str, Tensor]:
    """Images of several prompts as one batch, in order; a prompt without images is an empty mapping."""
    present = [entry for entry in inputs if entry]
    if not present:
        return {}
    if _has_rows(present[0]):
        return {key: _join_rows([entry.get(key) for entry in inputs]) for key in present[0]}
    return {key: torch.cat([entry[key] for entry in present]) for key in present[0]}


def images_of_one_row(inputs: Sequence[ImageInputs]) -> dict[str, Tensor]:
    """Images of several prompts packed into one row, in order; a prompt without images is an empty mapping."""
    present = [entry for entry in inputs if entry]
    if not present or not _has_rows(present[0]):
        return join_images(present)
    joined = join_images(present)
    counts = [entry["pixel_values"].shape[1] for entry in present]
    return {
        key: torch.cat([rows[:count] for rows, count in zip(value, counts, strict=True)])[None]
        for key, value in joined.items()
    }


def repeat_images(inputs: ImageInputs, rows: int) -> dict[str, Tensor]:
    """The images of one prompt, repeated for identical rows."""
    return {key: torch.cat([value] * rows) for key, value in inputs.items()}


def _has_rows(inputs: ImageInputs) -> bool:
    return "pixel_values" in inputs and inputs["pixel_values"].ndim == 5


def _join_rows(values: Sequence[Tensor | None]) -> Tensor:
    """Concatenate ``[1, image, …]`` tensors, padded with zeros at the end to the largest size of each dimension."""
    present = [value for value in values if value is not None]
    shape = [max(value.shape[axis] for value in present) for axis in range(1, present[0].ndim)]
    rows = []
    for value in values:
        row = present[0].new_zeros(1, *shape) if value is None else value
        padding = [amount for axis in reversed(range(1, row.ndim)) for amount in (0, shape[axis - 1] - row.shape[axis])]
        rows.append(F.pad(row, padding))
    return torch.cat(rows)
