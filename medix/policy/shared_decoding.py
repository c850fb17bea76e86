"""Decoding the completions of a group with one copy of the keys and values of their prompt."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from medix.policy.decoder_step import DecoderStep
from medix.policy.decoding import Decoding
from medix.policy.shared_cache import SharedCache
from medix.policy.shared_prefix import why_plain


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
