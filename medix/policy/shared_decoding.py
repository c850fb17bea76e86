"""Decoding the completions of a group with one copy of the keys and values of their prompt.

A completion attends to its prompt and to itself. The queries of all completions of a group, and of all query heads that
share a key head, are multiplied with the keys of the prompt as one matrix; the product with each completion's own keys
is a second one. One softmax over both equals the attention of the plain pass within rounding. The prompt is not copied
per completion and is read once per step; the keys and values of completions are written into preallocated memory.

Related: Hydragen (arXiv:2402.05099), which computes two softmaxes and combines them by their denominators.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from medix.policy.decoder_step import DecoderStep
from medix.policy.decoding import Decoding
from medix.policy.shared_prefix import why_plain


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


class SharedDecoding:
    """Like ``Decoding``, with a ``SharedCache``.

    Rows are the completions of the first prompt, then of the second. Groups keep equal numbers of rows: a finished row
    is dropped only if its group still has as many rows as the others need; a finished group is dropped as a whole.

    Args:
        prompts: prefilled prompts, possibly in several batches.
        completions: number of completions of each prompt.
        room: maximum number of tokens of a completion.
        decoder: the language model, for several of these; made on the first step if it is not given.
    """

    def __init__(
        self, prompts: Sequence[Decoding], completions: int, room: int, decoder: DecoderStep | None = None
    ) -> None:
        self._decoder = decoder
        self.cache = SharedCache(prompts, completions, room)
        self.logits = torch.cat([prompt.logits for prompt in prompts]).repeat_interleave(completions, dim=0)
        self.positions = torch.cat([prompt.positions for prompt in prompts]).repeat_interleave(completions)
        self.axes = prompts[0].axes

    def keep(self, rows: Sequence[int]) -> list[int]:
        """As ``Decoding.keep``."""
        present = self.cache.completions
        needed: dict[int, list[int]] = {}
        for row in rows:
            needed.setdefault(row // present, []).append(row % present)
        width = max(map(len, needed.values()))
        if 4 * width * len(needed) > 3 * len(self.logits):
            return list(range(len(self.logits)))
        for completions in needed.values():
            others = (n for n in range(present) if n not in set(completions))
            completions.extend(next(others) for _ in range(width - len(completions)))
            completions.sort()
        device = self.logits.device
        self.cache.keep(torch.tensor(list(needed), device=device), torch.tensor(list(needed.values()), device=device))
        kept = [group * present + n for group, completions in needed.items() for n in completions]
        chosen = torch.tensor(kept, device=device)
        self.logits, self.positions = self.logits[chosen], self.positions[chosen]
        return kept

    def step(self, model: Any, tokens: Int[Tensor, " row"]) -> None:
        """As ``Decoding.step``; calls the language model and its head only."""
        if self._decoder is None:
            self._decoder = DecoderStep(model)
        self.logits = self._decoder(tokens, self.positions, self.axes, self.cache)
        self.positions = self.positions + 1
        self.cache.length += 1


def why_not_shared(model: Any, prompt: Decoding) -> str | None:
    """Decode a few tokens with a shared prompt and with the model's own cache, and compare the logits.

    Args:
        model: the Hugging Face model.
        prompt: one prefilled prompt; its cache may be modified.

    Returns:
        None if both agree, otherwise the reason why prompts cannot be shared.

    Raises:
        RuntimeError: out of memory, which is no such reason: decoding without sharing needs more.
    """
    if reason := why_plain(model.config, "sdpa"):
        return reason
    layers = getattr(prompt.cache, "layers", ())
    others = {type(layer).__name__ for layer in layers if type(layer) not in (DynamicLayer, DynamicSlidingWindowLayer)}
    if others or not layers:
        return f"its cache is made of {', '.join(sorted(others)) or type(prompt.cache).__name__}"
    plain = deepcopy(prompt)
    plain.repeat(2)
    tokens = prompt.logits.topk(2).indices.flatten()
    try:
        shared = SharedDecoding([prompt], completions=2, room=3)
        for _ in range(3):
            plain.step(model, tokens)
            shared.step(model, tokens)
            tokens = tokens.flip(0)
    except (AttributeError, NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        if isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error):
            raise  # torch has no exception class for the CPU
        return f"{type(error).__name__}: {error}"
    expected, found = (each.logits.float() - each.logits.float().mean() for each in (plain, shared))
    difference = float((found - expected).norm() / expected.norm())
    allowed = 1e-3 if plain.logits.dtype == torch.float32 else 5e-2
    # Not <=: a difference that is not a number must not pass.
    return None if difference < allowed else f"its logits differ by {difference:.1%}, {allowed:.1%} are allowed"


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
