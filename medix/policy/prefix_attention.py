"""Attention over a packed row, tile by tile, in a form that Hugging Face models can call.

Beside keys and values of the row it takes, for parts of a group that is too large for one pass, those that an earlier
pass kept of the prompt.
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
"""Under which the attention is known to Hugging Face models during a shared pass."""

KeysAndValues = dict[int, tuple[Tensor, Tensor]]
"""Of each layer, ``[1, head, prompt, width]``, positions rotated in."""


class SharedPrefix:
    """What one pass tells its attention layers.

    Args:
        row: who sees whom.
        kept: filled with keys and values of every layer, for later passes.
        prompt: keys and values of the places that ``row`` says were passed before.
    """

    def __init__(self, row: PackedRow, kept: KeysAndValues | None = None, prompt: KeysAndValues | None = None) -> None:
        self.row = row
        self.kept = kept
        self.prompt = prompt

    def states(self, layer: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of the whole row, from those of the present pass."""
        if self.kept is not None:
            # Checkpointing calls a layer twice; later passes and the backward pass hold on to the first call.
            self.kept.setdefault(layer, (key, value))
        if self.prompt is None:
            return key, value
        prompt_key, prompt_value = self.prompt[layer]
        return torch.cat([prompt_key, key], dim=2), torch.cat([prompt_value, value], dim=2)


@contextmanager
def use_attention(config: Any, name: str = NAME) -> Iterator[None]:
    """The layers of a language model call ``attend`` inside, or another attention.

    Args:
        config: of the language model.
        name: of the attention in Hugging Face's interface.
    """
    AttentionInterface.register(NAME, attend)
    usual = config._attn_implementation
    config._attn_implementation = name
    try:
        yield
    finally:
        config._attn_implementation = usual


def as_before(config: Any) -> Callable[[], tuple[AbstractContextManager[None], AbstractContextManager[None]]]:
    """Contexts for gradient checkpointing, which calls layers again in the backward pass, outside ``use_attention``."""

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), use_attention(config, config._attn_implementation)

    return contexts


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,  # noqa: ARG001  # one element that says nothing; see ``attention_kwargs``
    *,
    shared_prefix: SharedPrefix,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: Any,  # noqa: ARG001  # what other kinds of attention want
) -> tuple[Tensor, None]:
    """Each token of the one row sees its prompt and its own completion."""
    key, value = shared_prefix.states(module.layer_idx, key, value)
    heads = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, heads), repeat_kv(value, heads)
    row = shared_prefix.row
    cuts = row.cuts(sliding_window)
    # Cut once and not sliced per tile: the gradient of a slice is a row of zeros around it.
    queries = torch.split(query, cuts.queries, dim=2)
    keys, values = torch.split(key, cuts.keys, dim=2), torch.split(value, cuts.keys, dim=2)
    parts = [
        F.scaled_dot_product_attention(
            own,
            _joined([keys[number] for number in numbers]),
            _joined([values[number] for number in numbers]),
            attn_mask=tile.seen,
            is_causal=tile.seen is None,
            dropout_p=dropout,
            scale=scaling,
        )
        for tile, own, numbers in zip(row.tiles(sliding_window), queries, cuts.of_tile, strict=True)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2).contiguous(), None


def attention_kwargs(shared: SharedPrefix) -> dict[str, Any]:
    """Arguments of a model whose layers call ``attend``."""
    # A mask of one element keeps the model from making masks of its own, which would be of the whole row.
    nothing = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=shared.row.place.device)
    return {"attention_mask": nothing, "shared_prefix": shared}


def _joined(parts: Sequence[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(list(parts), dim=2)
