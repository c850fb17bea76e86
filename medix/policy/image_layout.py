"""How model families lay out the images of a batch: the tensors and the features of each image."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

ImageInputs = Mapping[str, Tensor]


class ImageLayout(ABC):
    """The images of a batch as arguments of ``get_image_features``.

    Attributes:
        names: the arguments that hold images.
    """

    names: frozenset[str]

    @abstractmethod
    def split(self, inputs: ImageInputs) -> list[dict[str, Tensor]]:
        """The arguments for each image alone, in the order of their features."""


class PatchLayout(ImageLayout):
    """Patches of all images concatenated, and the grid of each image (Qwen)."""

    names = frozenset({"pixel_values", "image_grid_thw"})

    def split(self, inputs: ImageInputs) -> list[dict[str, Tensor]]:
        grids = inputs["image_grid_thw"]
        parts = torch.split(inputs["pixel_values"], grids.prod(dim=-1).tolist())
        return [{"pixel_values": part, "image_grid_thw": grids[n : n + 1]} for n, part in enumerate(parts)]


class ListLayout(ImageLayout):
    """Images of one size along the first dimension (Gemma 3)."""

    names = frozenset({"pixel_values"})

    def split(self, inputs: ImageInputs) -> list[dict[str, Tensor]]:
        return [{"pixel_values": image[None]} for image in inputs["pixel_values"]]


class RowLayout(ImageLayout):
    """One row per prompt, padded with all-zero images that the model skips (SmolVLM, Idefics 3)."""

    names = frozenset({"pixel_values", "pixel_attention_mask"})

    def split(self, inputs: ImageInputs) -> list[dict[str, Tensor]]:
        flat = {name: value.flatten(0, 1) for name, value in inputs.items()}
        present = (flat["pixel_values"] != 0).flatten(1).any(dim=1)
        present[0] |= ~present.any()  # as the model does: it needs at least one image
        indices = present.nonzero().flatten().tolist()
        return [{name: value[index][None, None] for name, value in flat.items()} for index in indices]


LAYOUTS: tuple[ImageLayout, ...] = (PatchLayout(), ListLayout(), RowLayout())


def features_of_each(value: Any, images: int) -> list[Any]:
    """The features of each image. A tuple or tensor has one entry per image; a list has one such value per level.

    Raises:
        ValueError: the number of entries is not the number of images.
    """
    if isinstance(value, list):
        return [list(levels) for levels in zip(*(features_of_each(level, images) for level in value), strict=True)]
    if isinstance(value, tuple) or (isinstance(value, Tensor) and value.ndim):
        if len(value) == images:
            return list(value)
        raise ValueError(f"features of {len(value)} images for {images}")
    raise ValueError(f"features in a {type(value).__name__}")


def form_of(value: Any) -> Any:
    """The structure of a value that holds the features of several images, for ``features_together``."""
    if isinstance(value, list):
        return [form_of(level) for level in value]
    return tuple if isinstance(value, tuple) else Tensor


def features_together(form: Any, parts: Sequence[Any]) -> Any:
    """The inverse of ``features_of_each``."""
    if isinstance(form, list):
        return [features_together(level, [part[n] for part in parts]) for n, level in enumerate(form)]
    return tuple(parts) if form is tuple else torch.stack(list(parts))
