"""Log-probabilities of tokens from logits, at the temperature and over the tokens that sampling used.

With a vocabulary of 150,000 the float32 softmax of a completion of 1,000 tokens takes 600 MB, twice that with its
gradient. Here it is computed for ``chunk_rows`` rows at a time, forward and backward: the backward pass recomputes it
from the logits and one log-sum-exp per row.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

CHUNK_ROWS = 512
"""Rows of the float32 softmax in memory at one time: 310 MB for a vocabulary of 151,936."""


def token_logprobs(
    logits: Float[Tensor, "*batch vocab"],
    tokens: Int[Tensor, "*batch"],
    temperature: int | float = 1.0,
    banned: Sequence[int] = (),
    chunk_rows: int = CHUNK_ROWS,
) -> Float[Tensor, "*batch"]:
    """Log-probability of each token under the softmax of its row, with gradient to the logits.

    Args:
        logits: logits of the whole vocabulary, in any floating dtype.
        tokens: the token of each row.
        temperature: logits are divided by it, as when sampling.
        banned: token ids excluded from the softmax; their own log-probability is -inf.
        chunk_rows: rows of the softmax in memory at one time.

    Returns:
        float32, or float64 for logits in float64.
    """
    _check(logits.shape[-1], temperature, banned, chunk_rows)
    flat = logits.reshape(-1, logits.shape[-1])
    forbidden = torch.tensor(tuple(banned), dtype=torch.long, device=logits.device)
    chosen: Tensor = _TokenLogprobs.apply(flat, tokens.reshape(-1), temperature, forbidden, chunk_rows)  # type: ignore[no-untyped-call]
    return chosen.view(tokens.shape)


@torch.no_grad()
def token_entropy(
    logits: Float[Tensor, "*batch vocab"],
    temperature: int | float = 1.0,
    banned: Sequence[int] = (),
    chunk_rows: int = CHUNK_ROWS,
) -> Float[Tensor, "*batch"]:
    """Entropy in nats of the softmax of each row, without gradient: a metric, not a loss.

    Args:
        logits: logits of the whole vocabulary, in any floating dtype.
        temperature: logits are divided by it, as when sampling.
        banned: token ids excluded from the softmax.
        chunk_rows: rows of the softmax in memory at one time.
    """
    _check(logits.shape[-1], temperature, banned, chunk_rows)
    flat = logits.reshape(-1, logits.shape[-1])
    forbidden = torch.tensor(tuple(banned), dtype=torch.long, device=logits.device)
    entropy = torch.empty(flat.shape[0], dtype=_wide(logits.dtype), device=logits.device)
    for rows in _chunks(flat.shape[0], chunk_rows):
        logprobs = _scaled(flat[rows], temperature, forbidden).log_softmax(dim=-1)
        # entr(p) = -p log p is 0 at p = 0, where p * log p would be NaN.
        entropy[rows] = torch.special.entr(logprobs.exp_()).sum(dim=-1)
    return entropy.view(logits.shape[:-1])


class _TokenLogprobs(torch.autograd.Function):
    """Saves the logits in their own dtype and one log-sum-exp per row, not the float32 softmax of all rows."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, tokens: Tensor, temperature: int | float, banned: Tensor, chunk_rows: int
    ) -> Tensor:
        chosen = torch.empty(logits.shape[0], dtype=_wide(logits.dtype), device=logits.device)
        normaliser = torch.empty_like(chosen)
        for rows in _chunks(logits.shape[0], chunk_rows):
            scaled = _scaled(logits[rows], temperature, banned)
            normaliser[rows] = scaled.logsumexp(dim=-1)
            chosen[rows] = scaled.gather(1, tokens[rows, None]).squeeze(1) - normaliser[rows]
        ctx.save_for_backward(logits, tokens, normaliser, banned)
        ctx.temperature, ctx.chunk_rows = temperature, chunk_rows
        return chosen

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None, None]:
        """d log p(token) / d logit_v = ([v = token] - p_v) / temperature; banned ids have p = 0 and no gradient."""
        logits, tokens, normaliser, banned = ctx.saved_tensors
        gradient = torch.empty_like(logits)
        for rows in _chunks(logits.shape[0], ctx.chunk_rows):
            scale = (upstream[rows] / ctx.temperature)[:, None]
            chunk = _scaled(logits[rows], ctx.temperature, banned).sub_(normaliser[rows, None]).exp_().mul_(-scale)
            chunk.scatter_add_(1, tokens[rows, None], scale)
            gradient[rows] = chunk.index_fill_(1, banned, 0.0).to(logits.dtype)
        return gradient, None, None, None, None


def _scaled(logits: Tensor, temperature: int | float, banned: Tensor) -> Tensor:
    """A float32 (or wider) copy of some rows, divided by the temperature, banned ids at -inf."""
    return logits.to(_wide(logits.dtype), copy=True).div_(temperature).index_fill_(1, banned, -torch.inf)


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def _chunks(rows: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]


def _check(vocabulary: int, temperature: int | float, banned: Sequence[int], chunk_rows: int) -> None:
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}; greedy decoding has no log-probabilities")
    if chunk_rows < 1:
        raise ValueError(f"chunk_rows must be at least 1, got {chunk_rows}; 512 suits most vocabularies")
    outside = [token for token in banned if not 0 <= token < vocabulary]
    if outside:
        raise ValueError(
            f"banned ids {outside} are outside the vocabulary of {vocabulary}; take them from its tokenizer"
        )
