"""Where token-by-token decoding stands."""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass
class Decoding:
    """Prompts that passed through the policy once, and what they left behind.

    Attributes:
        logits: scores of the next token, one row per completion.
        cache: keys and values of every layer.
        attention_mask: 1 on real tokens, 0 on padding before the prompt; None where no row is padded.
        positions: position of the next token of each row; M-RoPE counts an image as fewer positions than tokens.
    """

    logits: Float[Tensor, "row vocab"]
    cache: Any
    attention_mask: Int[Tensor, "row past"] | None
    positions: Int[Tensor, " row"]

    def repeat(self, times: int) -> None:
        """Make each row as many rows, side by side."""
        self.cache.batch_repeat_interleave(times)
        self.logits = self.logits.repeat_interleave(times, dim=0)
        self.positions = self.positions.repeat_interleave(times, dim=0)
        if self.attention_mask is not None:
            self.attention_mask = self.attention_mask.repeat_interleave(times, dim=0)

    def keep(self, rows: Int[Tensor, " kept"]) -> None:
        """Drop every other row."""
        self.cache.batch_select_indices(rows)
        self.logits = self.logits[rows]
        self.positions = self.positions[rows]
        if self.attention_mask is not None:
            self.attention_mask = self.attention_mask[rows]

    def advance(self) -> None:
        """Account for one token per row."""
        self.positions = self.positions + 1
        if self.attention_mask is not None:
            self.attention_mask = torch.cat([self.attention_mask, torch.ones_like(self.attention_mask[:, :1])], dim=1)
