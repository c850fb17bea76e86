"""State of token-by-token decoding, for any Hugging Face model with a cache."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass
class Decoding:
    """Prefilled prompts and the tokens decoded after them.

    Each row has its own keys and values in the model's cache. ``SharedDecoding`` keeps those of a prompt once for all
    its completions.

    Attributes:
        logits: logits of the next token, one row per completion.
        cache: Hugging Face's cache of keys and values.
        attention_mask: 1 on tokens, 0 on left padding; None if no row is padded.
        positions: position of the next token of each row; under M-RoPE an image takes fewer positions than tokens.
        axes: number of position axes: three under M-RoPE, otherwise one.
    """

    logits: Float[Tensor, "row vocab"]
    cache: Any
    attention_mask: Int[Tensor, "row past"] | None
    positions: Int[Tensor, " row"]
    axes: int = 1

    def repeat(self, times: int) -> None:
        """Repeat each row; its copies are consecutive."""
        self.cache.batch_repeat_interleave(times)
        self.logits = self.logits.repeat_interleave(times, dim=0)
        self.positions = self.positions.repeat_interleave(times, dim=0)
        if self.attention_mask is not None:
            self.attention_mask = self.attention_mask.repeat_interleave(times, dim=0)

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Drop finished rows, if that is worth a copy of the cache.

        Args:
            rows: indices of the rows that are still decoded, ascending.

        Returns:
            The indices of the rows that remain: all of ``rows``, and possibly others.
        """
        present = self.logits.shape[0]
        if 2 * len(rows) > present:  # copying costs about as much as one step
            return list(range(present))
        kept = torch.tensor(rows, device=self.logits.device)
        self.cache.batch_select_indices(kept)
        self.logits = self.logits[kept]
        self.positions = self.positions[kept]
        if self.attention_mask is not None:
            self.attention_mask = self.attention_mask[kept]
        return list(rows)

    def step(self, model: Any, tokens: Int[Tensor, " row"]) -> None:
        """Append one token to each row.

        Args:
            model: the Hugging Face model of the cache.
            tokens: the token of each row.
        """
        if self.attention_mask is not None:
            self.attention_mask = torch.cat([self.attention_mask, torch.ones_like(self.attention_mask[:, :1])], dim=1)
        output = model(
            input_ids=tokens[:, None],
            attention_mask=self.attention_mask,
            position_ids=next_positions(self.positions, self.axes),
            past_key_values=self.cache,
            use_cache=True,
        )
        self.logits = output.logits[:, -1]
        self.positions = self.positions + 1


def next_positions(positions: Int[Tensor, " row"], axes: int) -> Tensor:
    """Positions of one token per row, as models take them: ``[row, 1]``, or ``[axis, row, 1]`` under M-RoPE."""
    column = positions[:, None]
    return column if axes == 1 else column.expand(axes, -1, -1)
