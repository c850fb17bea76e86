"""Where token-by-token decoding stands, for any model that Hugging Face can decode with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass
class Decoding:
    """Prompts that passed through the policy once, and what they left behind.

    Each row keeps keys and values of its whole past, as the model's own cache holds them. ``SharedDecoding`` keeps
    those of a prompt once for all its completions.

    Attributes:
        logits: scores of the next token, one row per completion.
        cache: keys and values of every layer, as Hugging Face keeps them.
        attention_mask: 1 on real tokens, 0 on padding before the prompt; None where no row is padded.
        positions: position of the next token of each row; M-RoPE counts an image as fewer positions than tokens.
        axes: position numbers that each token has: three under M-RoPE, otherwise one.
    """

    logits: Float[Tensor, "row vocab"]
    cache: Any
    attention_mask: Int[Tensor, "row past"] | None
    positions: Int[Tensor, " row"]
    axes: int = 1

    def repeat(self, times: int) -> None:
        """Make each row as many rows, side by side."""
        self.cache.batch_repeat_interleave(times)
        self.logits = self.logits.repeat_interleave(times, dim=0)
        self.positions = self.positions.repeat_interleave(times, dim=0)
        if self.attention_mask is not None:
            self.attention_mask = self.attention_mask.repeat_interleave(times, dim=0)

    def keep(self, rows: Sequence[int]) -> list[int]:
        """Drop rows that are not needed any longer, where that is worth a copy of the cache.

        Args:
            rows: places of the rows that are still needed, ascending.

        Returns:
            The places of the rows that stay: all that are needed, and perhaps others.
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
            model: the Hugging Face model that the prompts passed through.
            tokens: what was picked for each row.
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
