"""How families lay out the images of a batch, and take them apart again."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

ImageInputs = Mapping[str, Tensor]


class ImageLayout(ABC):
    """The images of a batch as the arguments of ``get_image_features``.

    Attributes:
        names: the arguments, beside options.
    """

    names: frozenset[str]

    @abstractmethod
    def split(self, inputs: ImageInputs) -> list[dict[str, Tensor]]:
        """The arguments of each image alone, in the order of their features."""

    @abstractmethod
    def join(self, images: Sequence[ImageInputs]) -> dict[str, Tensor]:
        """The arguments of several images, as ``split`` gives them."""


class PatchLayout(ImageLayout):
    """Patches of all images in one list, beside the grid of each (Qwen)."""

    names = frozenset({"pixel_values", "image_grid_thw"})

    def split(self, inputs: ImageInputs) -> list[dict[str, Tensor]]:
        grids = inputs["image_grid_thw"]
        parts = torch.split(inputs["pixel_values"], grids.prod(dim=-1).tolist())
        return [{"pixel_values": part, "image_grid_thw": grids[n : n + 1]} for n, part in enumerate(parts)]

    def join(self, images: Sequence[ImageInputs]) -> dict[str, Tensor]:
        return {name: torch.cat([image[name] for image in images]) for name in self.names}


class ListLayout(ImageLayout):
    """One image after the other, all of one size (Gemma 3)."""

    names = frozenset({"pixel_values"})

    def split(self, inputs: ImageInputs) -> list[dict[str, Tensor]]:
        return [{"pixel_values": image[None]} for image in inputs["pixel_values"]]

    def join(self, images: Sequence[ImageInputs]) -> dict[str, Tensor]:
        return {"pixel_values": torch.cat([image["pixel_values"] for image in images])}


class RowLayout(ImageLayout):
    """One row per prompt, filled up with images of zeros that the model leaves out (SmolVLM, Idefics 3)."""

    names = frozenset({"pixel_values", "pixel_attention_mask"})

    def split(self, inputs: ImageInputs) -> list[dict[str, Tensor]]:
        flat = {name: value.flatten(0, 1) for name, value in inputs.items()}
        present = (flat["pixel_values"] != 0).flatten(1).any(dim=1)
        present[0] |= ~present.any()  # as the model does: it wants one image
        places = present.nonzero().flatten().tolist()
        return [{name: value[place][None, None] for name, value in flat.items()} for place in places]

    def join(self, images: Sequence[ImageInputs]) -> dict[str, Tensor]:
        return {name: torch.cat([image[name] for image in images], dim=1) for name in images[0]}


LAYOUTS: tuple[ImageLayout, ...] = (PatchLayout(), ListLayout(), RowLayout())


def features_of_each(value: Any, images: int) -> list[Any]:
    """The features of each image: of a list those of every level, of a tuple or tensor one entry per image.

    Raises:
        ValueError: there are more or fewer entries than images.
    """
    if isinstance(value, list):
        return [list(levels) for levels in zip(*(features_of_each(level, images) for level in value), strict=True)]
    if isinstance(value, tuple) or (isinstance(value, Tensor) and value.ndim):
        if len(value) == images:
            return list(value)
        raise ValueError(f"features of {len(value)} images for {images}")
    raise ValueError(f"features in a {type(value).__name__}")


def form_of(value: Any) -> Any:
    """How a value holds the features of several images, without them: for ``features_together``."""
    if isinstance(value, list):
        return [form_of(level) for level in value]
    return tuple if isinstance(value, tuple) else Tensor


def features_together(form: Any, parts: Sequence[Any]) -> Any:
    """The inverse of ``features_of_each``."""
    if isinstance(form, list):
        return [features_together(level, [part[n] for part in parts]) for n, level in enumerate(form)]
    return tuple(parts) if form is tuple else torch.stack(list(parts))
