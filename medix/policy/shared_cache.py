"""Keys and values of a group: those of its prompt once, and those of each of its completions.

A completion attends to its prompt and to itself. The queries of all completions of a group, and of all query heads that
share a key head, are multiplied with the keys of the prompt as one matrix; the product with each completion's own keys
is a second one. One softmax over both equals the attention of the plain pass within rounding. The prompt is not copied
per completion and is read once per step; the keys and values of completions are written into preallocated memory.

Related: Hydragen (arXiv:2402.05099), which computes two softmaxes and combines them by their denominators.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from medix.policy.decoding import Decoding


@dataclass
class _Layer:
    """Keys and values of one layer; dimension ``part`` is groups × key heads, a window is in tokens."""

    prompt_keys: Float[Tensor, "part prompt width"]
    prompt_values: Float[Tensor, "part prompt width"]
    own_keys: Float[Tensor, "group head completion room width"]
    own_values: Float[Tensor, "group head completion room width"]
    window: int | None


class SharedCache:
    """Keys and values of prompts, once per group, and of their completions. Each layer calls ``attend``.

    Args:
        prompts: prefilled prompts, possibly in several batches.
        completions: number of completions of each prompt.
        room: maximum number of tokens of a completion.
    """

    def __init__(self, prompts: Sequence[Decoding], completions: int, room: int) -> None:
        caches = [prompt.cache for prompt in prompts]
        self.completions = completions
        self.groups = sum(prompt.logits.shape[0] for prompt in prompts)
        self.length = 0  # tokens written to every completion
        self.layers = [self._layer([cache.layers[n] for cache in caches], room) for n in range(len(caches[0]))]
        self.hidden = _padding(prompts)

    def _layer(self, layers: Sequence[Any], room: int) -> _Layer:
        keys, values = (_joined([getattr(layer, name) for layer in layers]) for name in ("keys", "values"))
        _, heads, _, width = keys.shape
        own = (self.groups, heads, self.completions, room)
        return _Layer(
            keys.flatten(0, 1),
            values.flatten(0, 1),
            keys.new_empty(*own, width),
            values.new_empty(*own, values.shape[-1]),
            getattr(layers[0], "sliding_window", None),
        )

    def attend(
        self,
        queries: Float[Tensor, "row head width"],
        keys: Float[Tensor, "row key_head width"],
        values: Float[Tensor, "row key_head width"],
        layer_idx: int,
        scale: float,
    ) -> Float[Tensor, "row joined"]:
        """Attention output of the current token of each row, its heads side by side, in the dtype of the values.

        Keys and values of the token are written first. Scores and softmax are in float32 or wider, also under autocast,
        which would round the scores to its dtype.
        """
        layer = self.layers[layer_idx]
        for own, new in ((layer.own_keys, keys), (layer.own_values, values)):
            own[:, :, :, self.length] = new.reshape(self.groups, self.completions, *new.shape[1:]).transpose(1, 2)
        with torch.autocast(queries.device.type, enabled=False):
            return self._attend(queries, layer, scale)

    def _attend(self, query: Float[Tensor, "row head width"], layer: _Layer, scale: float) -> Tensor:
        first_of_prompt, first_of_own = self._window(layer)
        prompt_keys, prompt_values = (part[:, first_of_prompt:] for part in (layer.prompt_keys, layer.prompt_values))
        own_keys, own_values = (
            part[:, :, :, first_of_own : self.length + 1].flatten(0, 2) for part in (layer.own_keys, layer.own_values)
        )
        groups, heads, completions = self.groups, layer.own_keys.shape[1], self.completions
        by_group = query.reshape(groups, completions, heads, -1, query.shape[-1]).transpose(1, 2)
        queries = by_group.reshape(groups * heads, -1, query.shape[-1])
        each = queries.shape[1] // completions  # query heads per key head
        to_prompt = _attention_scores(queries, prompt_keys, scale)
        if self.hidden is not None and to_prompt.shape[-1]:
            hidden = self.hidden[:, -layer.prompt_keys.shape[1] :][:, first_of_prompt:]
            to_prompt.view(groups, -1, to_prompt.shape[-1]).masked_fill_(hidden[:, None], -torch.inf)
        to_own = _attention_scores(queries.view(-1, each, query.shape[-1]), own_keys, scale)
        weights = (
            torch.cat([to_prompt, to_own.view(*to_prompt.shape[:2], -1)], dim=-1)
            .softmax(dim=-1)
            .to(layer.own_values.dtype)
        )
        of_prompt, of_own = torch.split(weights, [to_prompt.shape[-1], to_own.shape[-1]], dim=-1)
        output = torch.bmm(of_prompt, prompt_values)
        output += torch.bmm(of_own.reshape(-1, each, of_own.shape[-1]), own_values).view_as(output)
        return output.view(groups, heads, completions, each, -1).transpose(1, 2).reshape(groups * completions, -1)

    def _window(self, layer: _Layer) -> tuple[int, int]:
        """First token of the prompt, and first of the completion, inside the current token's window."""
        if layer.window is None:
            return 0, 0
        first = layer.prompt_keys.shape[1] + self.length - layer.window + 1
        return min(max(first, 0), layer.prompt_keys.shape[1]), max(first - layer.prompt_keys.shape[1], 0)

    def keep(self, groups: Int[Tensor, " kept"], completions: Int[Tensor, "kept completion"]) -> None:
        """Drop groups, and completions of the other groups, the same number of each.

        Args:
            groups: indices of the groups to keep.
            completions: for each of these, indices of the completions to keep.
        """
        every = len(groups) == self.groups
        for layer in self.layers:
            if not every:
                for name in ("prompt_keys", "prompt_values"):
                    part = getattr(layer, name)
                    setattr(layer, name, part.unflatten(0, (self.groups, -1))[groups].flatten(0, 1))
            layer.own_keys, layer.own_values = (
                self._fewer(own, groups, completions) for own in (layer.own_keys, layer.own_values)
            )
        if self.hidden is not None:
            self.hidden = self.hidden[groups]
        self.groups, self.completions = completions.shape

    def _fewer(self, own: Tensor, groups: Tensor, completions: Tensor) -> Tensor:
        kept = own.new_empty(len(groups), own.shape[1], completions.shape[1], *own.shape[3:])
        written = own[groups[:, None], :, completions, : self.length]  # [group, completion, head, time, width]
        kept[:, :, :, : self.length] = written.transpose(1, 2)
        return kept


def _attention_scores(queries: Tensor, keys: Tensor, scale: float) -> Tensor:
    """Products of queries and keys in float32: rounding a score of 10 to bfloat16 changes its weight by up to 3 %."""
    wide = torch.promote_types(torch.promote_types(queries.dtype, keys.dtype), torch.float32)
    if queries.is_cuda and queries.dtype == keys.dtype != wide:
        return torch.bmm(queries, keys.transpose(1, 2), out_dtype=wide).mul_(scale)
    # Under autocast they may differ: rotary embeddings, in float32, make queries float32.
    nothing = queries.new_zeros((), dtype=wide)
    return torch.baddbmm(nothing, queries.to(wide), keys.to(wide).transpose(1, 2), beta=0, alpha=scale)


def _joined(parts: Sequence[Tensor]) -> Float[Tensor, "group head prompt width"]:
    """Prompts of several batches, left-padded to the longest; a single batch is not copied."""
    longest = max(part.shape[2] for part in parts)
    if len(parts) == 1:
        return parts[0].contiguous()
    return torch.cat([F.pad(part, (0, 0, longest - part.shape[2], 0)) for part in parts])


def _padding(prompts: Sequence[Decoding]) -> Tensor | None:
    """True on the left padding of prompts; None if there is none."""
    lengths = [prompt.cache.get_seq_length() for prompt in prompts]
    if len(set(lengths)) == 1 and all(prompt.attention_mask is None for prompt in prompts):
        return None
    masks = [
        torch.ones(prompt.logits.shape[0], length, device=prompt.logits.device, dtype=torch.long)
        if prompt.attention_mask is None
        else prompt.attention_mask
        for prompt, length in zip(prompts, lengths, strict=True)
    ]
    return torch.cat([F.pad(mask, (max(lengths) - mask.shape[1], 0)) for mask in masks]) == 0
