"""Attention over a packed row, tile by tile, as an attention function of Hugging Face models.

For chunks of a group that is too large for one pass, it also takes the keys and values of the prompt, cached by an
earlier pass.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import repeat_kv

from medix.policy.packing import PackedRow

NAME = "medix_shared_prefix"
"""Name of the attention in Hugging Face's interface during a shared pass."""

KeysAndValues = dict[int, tuple[Tensor, Tensor]]
"""By layer index, ``[1, head, prompt, width]`` each, with rotary embeddings applied."""


class SharedPrefix:
    """The arguments of one pass for its attention layers.

    Args:
        row: the attention mask.
        kept: filled with the keys and values of every layer, for later passes.
        prompt: keys and values of the cached positions of ``row``.
    """

    def __init__(self, row: PackedRow, kept: KeysAndValues | None = None, prompt: KeysAndValues | None = None) -> None:
        self.row = row
        self.kept = kept
        self.prompt = prompt

    def states(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the whole row: the cached ones, then those of this pass."""
        if self.kept is not None:
            # Checkpointing calls a layer twice; later passes and the backward pass refer to the first call's tensors.
            self.kept.setdefault(layer, (key, value))
        if self.prompt is None:
            return key, value
        prompt_key, prompt_value = self.prompt[layer]
        return torch.cat([prompt_key, key], dim=2), torch.cat([prompt_value, value], dim=2)


@contextmanager
def use_attention(config: Any, name: str = NAME) -> Iterator[None]:
    """Inside, the layers of a language model call ``attend``, or another attention.

    Args:
        config: configuration of the language model.
        name: name of the attention in Hugging Face's interface.
    """
    AttentionInterface.register(NAME, attend)
    usual = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = usual


def as_before(config: Any) -> Callable[[], tuple[AbstractContextManager[None], AbstractContextManager[None]]]:
    """Contexts for gradient checkpointing, whose recomputation in the backward pass is outside ``use_attention``."""

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), use_attention(config, config._attn_implementation)

    return contexts


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001  # a placeholder; see ``attention_kwargs``
    *,
    shared_prefix: SharedPrefix,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,  # noqa: ARG001  # for other attention functions
) -> tuple[Tensor, None]:
    """Each token of the row attends to its prompt and to its own completion."""
    key, value = shared_prefix.states(module.layer_idx, key, value)
    heads = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, heads), repeat_kv(value, heads)
    row = shared_prefix.row
    cuts = row.cuts(sliding_window)
    # Split once, not sliced per tile: the gradient of each slice would be a zero-padded tensor of the whole row.
    queries = torch.split(query, cuts.queries, dim=2)
    keys, values = torch.split(key, cuts.keys, dim=2), torch.split(value, cuts.keys, dim=2)
    parts = [
        F.scaled_dot_product_attention(
            own,
            _joined([keys[number] for number in numbers]),
            _joined([values[number] for number in numbers]),
            attn_mask=tile.mask,
            is_causal=tile.mask is None,
            dropout_p=dropout,
            scale=scaling,
        )
        for tile, own, numbers in zip(row.tiles(sliding_window), queries, cuts.of_tile, strict=True)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


def attention_kwargs(shared: SharedPrefix) -> dict[str, Any]:
    """Arguments for a model whose layers call ``attend``."""
    # A four-dimensional mask keeps the model from creating its own dense mask of the whole row.
    placeholder = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=shared.row.position.device)
    return {"attention_mask": placeholder, "shared_prefix": shared}


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=2)
