"""Inputs that differ between model families: positions, token types, names of image tensors."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from medix.policy.packing import runs
from medix.types import Prompt

_TEXT_INPUTS = frozenset({"input_ids", "attention_mask", "position_ids", "token_type_ids", "mm_token_type_ids"})
_TWO_WAY_IMAGES = frozenset({"gemma3"})
"""Model types in which the tokens of an image attend to each other in both directions."""


class Family:
    """A Hugging Face model behind one interface for all families.

    Args:
        model: the model with its head.
        dtype: dtype of its weights.
        touches_vision: whether a pass without images must run the vision tower and give it a zero gradient.
        empty_image: image tensors from the processor, for such a pass.
    """

    def __init__(
        self,
        model: Any,
        dtype: torch.dtype,
        touches_vision: Callable[[], bool],
        empty_image: Callable[[], Mapping[str, Tensor]],
    ) -> None:
        self.model = model
        self.dtype = dtype
        self._touches_vision = touches_vision
        self._empty_image = empty_image

    @property
    def inner(self) -> Any:
        """The model without its head."""
        return self.model.base_model

    @property
    def decoder(self) -> Any:
        """The language model."""
        return self.model.get_decoder()

    @property
    def device(self) -> torch.device:
        """Device of its weights."""
        device: torch.device = next(iter(self.model.parameters())).device
        return device

    @property
    def image_token_id(self) -> int:
        """The placeholder token whose embeddings are replaced by image features."""
        return int(self.model.config.image_token_id)

    @property
    def has_mrope(self) -> bool:
        """Whether positions have three axes (M-RoPE); an image then advances them by less than its tokens."""
        return hasattr(self.inner, "get_rope_index")

    @cached_property
    def _accepted(self) -> frozenset[str]:
        return frozenset(inspect.signature(self.inner.forward).parameters)

    def token_types(self, input_ids: Int[Tensor, "row time"]) -> dict[str, Tensor]:
        """1 on image placeholders, 0 elsewhere, under the family's argument names."""
        types = (input_ids == self.image_token_id).int()
        return {name: types for name in ("token_type_ids", "mm_token_type_ids") if name in self._accepted}

    def image_inputs(self, prompt: Prompt) -> dict[str, Tensor]:
        """The image tensors of a prompt that the model accepts; empty without images."""
        names = self._accepted - _TEXT_INPUTS
        return {key: self.moved(value) for key, value in prompt.inputs.items() if key in names}

    def moved(self, value: Tensor) -> Tensor:
        """The tensor on the model's device, and in its dtype if floating."""
        return value.to(self.device, self.dtype if value.is_floating_point() else None)

    def prompt_positions(
        self, input_ids: Int[Tensor, "row time"], images: Mapping[str, Tensor], mask: Int[Tensor, "row time"] | None
    ) -> tuple[Tensor, Int[Tensor, " row"]]:
        """Positions of the tokens of prompts, and the position of the token after each.

        Args:
            input_ids: prompts, left-padded.
            images: image tensors of all rows.
            mask: 1 on tokens, 0 on padding; None without padding.
        """
        if self.has_mrope:
            positions, _ = self.inner.get_rope_index(
                input_ids=input_ids,
                mm_token_type_ids=(input_ids == self.image_token_id).int(),
                image_grid_thw=images.get("image_grid_thw"),
                attention_mask=mask,
            )
            return positions, positions.amax(dim=(0, 2)) + 1
        if mask is None:
            mask = torch.ones_like(input_ids)
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        return positions, positions[:, -1] + 1

    def image_blocks(self, input_ids: Int[Tensor, " time"]) -> Int[Tensor, " time"] | None:
        """Index of the image each token belongs to, -1 for text; None where image tokens attend causally."""
        if self.model.config.model_type not in _TWO_WAY_IMAGES:
            return None
        return runs(input_ids == self.image_token_id)

    def hidden(
        self, input_ids: Int[Tensor, "row time"], positions: Tensor, images: Mapping[str, Tensor], **further: Any
    ) -> Float[Tensor, "row time width"]:
        """Final hidden states (input of the LM head).

        Args:
            input_ids: tokens.
            positions: positions of the tokens, ``[row, time]`` or ``[axis, row, time]``; one row is broadcast.
            images: image tensors of all rows.
            further: further arguments of the model.
        """
        rows = input_ids.shape[0]
        with self._touching_vision() if not images and self._touches_vision() else nullcontext():
            output = self.inner(
                input_ids=input_ids,
                position_ids=positions.expand(*positions.shape[:-2], rows, -1),
                use_cache=False,
                **self.token_types(input_ids),
                **images,
                **further,
            )
        hidden: Tensor = output.last_hidden_state
        return hidden

    @contextmanager
    def _touching_vision(self) -> Iterator[None]:
        """Add zero to the embeddings of text, with a zero gradient for every parameter of the vision tower.

        As with an image, the tower runs between the embeddings and the language model, and its output enters the
        embeddings: ranks with and without images then gather weights and reduce gradients in the same order. In
        different orders they deadlock, or add gradients of different parameters.
        """
        known = inspect.signature(self.inner.get_image_features).parameters
        image = {key: self.moved(value) for key, value in self._empty_image().items() if key in known}

        def add(module: nn.Module, given: object, embedded: Tensor) -> Tensor:  # noqa: ARG001  # signature of a hook
            outputs = self.inner.get_image_features(**image, return_dict=True)
            zero = 0.0 * sum((one.float().sum() for one in _tensors(outputs)), start=embedded.new_zeros(()).float())
            return embedded + zero.to(embedded.dtype)

        hook = self.inner.get_input_embeddings().register_forward_hook(add)
        try:
            yield
        finally:
            hook.remove()


def vision_parameters(model: Any) -> list[nn.Parameter]:
    """Parameters outside the language model and its head: the vision tower and its projection."""
    of_text = {id(parameter) for parameter in model.get_decoder().parameters()}
    head = model.get_output_embeddings()
    of_text |= {id(parameter) for parameter in head.parameters()}
    return [parameter for parameter in model.parameters() if id(parameter) not in of_text]


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every floating tensor inside a model output."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
