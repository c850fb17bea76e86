"""One token per row from the policy's scores."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from medix.rollout.engine import Sampling

BLOCK = 1024
"""Tokens whose shares are added up together before the one that a draw falls on is looked for."""

CANDIDATES = 512
"""Most likely tokens that are sorted for a nucleus before the whole vocabulary is."""


@dataclass(frozen=True)
class Picks:
    """What was picked for each row: the tokens where they were made, and on this side with their log-probabilities."""

    tokens: Int[Tensor, " row"]
    token_ids: list[int]
    logprobs: list[float]


class TokenPicker:
    """Picks tokens by the inverse of the cumulative distribution; greedily at temperature 0.

    The draw decides the token alone: neither the other rows of a batch nor the device's generator have a part in it.

    Args:
        sampling: temperature, ``top_k`` and ``top_p``.
        banned: tokens that are never picked.
    """

    def __init__(self, sampling: Sampling, banned: Sequence[int]) -> None:
        self.sampling = sampling
        self.banned = tuple(banned)
        self._banned: Tensor | None = None  # on the device of the scores

    def pick(self, logits: Float[Tensor, "row vocab"], draws: Float[Tensor, " row"]) -> Picks:
        """One token per row and its log-probability; greedy at temperature 0, reported at temperature 1.

        The log-probability is that of the whole distribution, banned tokens left out, whatever ``top_k`` and ``top_p``
        leave of it: it is what the policy gives the token when it is trained.
        """
        logprobs = self.logprobs(logits)
        if self.sampling.temperature == 0:
            tokens = logprobs.argmax(dim=-1)
        else:
            tokens = _first_past(draws, self.filtered(logprobs).exp())
        chosen = logprobs.gather(1, tokens[:, None]).squeeze(1)
        picks = Picks(tokens, tokens.tolist(), chosen.tolist())
        if any(map(math.isnan, picks.logprobs)):  # one NaN among the scores of a row makes NaN of all
            raise FloatingPointError(
                "the policy's scores are NaN, its weights have diverged: go back to an earlier checkpoint and lower "
                "the learning rate, or set update.max_grad_norm"
            )
        return picks

    def logprobs(self, logits: Float[Tensor, "row vocab"]) -> Float[Tensor, "row vocab"]:
        """Of every token at the temperature, -inf where banned."""
        scores = logits.float()
        if self.sampling.temperature not in (0.0, 1.0):
            scores = scores / self.sampling.temperature
        if self.banned:
            if self._banned is None or self._banned.device != scores.device:
                self._banned = torch.tensor(self.banned, device=scores.device)
            scores = scores.index_fill(1, self._banned, -torch.inf)
        return scores.log_softmax(dim=-1)

    def filtered(self, logprobs: Float[Tensor, "row vocab"]) -> Float[Tensor, "row vocab"]:
        """Log-probabilities with -inf outside ``top_k``, then outside the nucleus of ``top_p``."""
        if 0 < self.sampling.top_k < logprobs.shape[-1]:
            least = logprobs.topk(self.sampling.top_k, dim=-1).values[:, -1:]
            logprobs = logprobs.masked_fill(logprobs < least, -torch.inf)
        if self.sampling.top_p < 1:
            inside = _nucleus(logprobs.log_softmax(dim=-1), self.sampling.top_p)
            logprobs = logprobs.masked_fill(~inside, -torch.inf)
        return logprobs


def _nucleus(logprobs: Float[Tensor, "row vocab"], top_p: float) -> Bool[Tensor, "row vocab"]:
    """True on the most likely tokens, up to the one with which their shares reach ``top_p``.

    A few candidates are sorted in place of the vocabulary, which is enough unless the scores are very flat.
    """
    vocabulary = logprobs.shape[-1]
    candidates = CANDIDATES if vocabulary > CANDIDATES else vocabulary
    while True:
        values, places = _most_likely(logprobs, candidates)
        before = values.exp().cumsum(dim=-1) - values.exp()
        inside = before < top_p
        # Tokens as likely as the last candidate may have been left out, though they belong before it.
        if candidates == vocabulary or bool((~inside & (values > values[:, -1:])).any(dim=-1).all()):
            return torch.zeros_like(logprobs, dtype=torch.bool).scatter(1, places, inside)
        candidates = vocabulary


def _most_likely(logprobs: Float[Tensor, "row vocab"], count: int) -> tuple[Tensor, Tensor]:
    """The log-probabilities and numbers of the most likely tokens; of equally likely ones the lower number first."""
    if count == logprobs.shape[-1]:
        ordered = logprobs.sort(dim=-1, descending=True, stable=True)
        return ordered.values, ordered.indices
    numbers = logprobs.topk(count, dim=-1).indices.sort(dim=-1).values
    ordered = logprobs.gather(1, numbers).sort(dim=-1, descending=True, stable=True)
    return ordered.values, numbers.gather(1, ordered.indices)


def _first_past(draws: Float[Tensor, " row"], shares: Float[Tensor, "row vocab"]) -> Int[Tensor, " row"]:
    """The first token whose cumulative share passes the draw, a fraction of the total; never one without a share.

    Sums are in float64: the last bits of a float32 sum over 150,000 tokens would be lost, and with them rare tokens.
    They are made per block of tokens, then within the one block that a draw falls on.
    """
    rows, vocabulary = shares.shape
    missing = -vocabulary % BLOCK if vocabulary > BLOCK else 0
    blocks = torch.nn.functional.pad(shares, (0, missing)).view(rows, -1, min(BLOCK, vocabulary))
    cumulative = blocks.sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)
    passed = draws[:, None] * cumulative[:, -1:]
    block = _search(cumulative, passed)
    before = torch.where(block > 0, cumulative.gather(1, (block - 1).clamp(min=0)), 0.0)
    inside = blocks[torch.arange(rows, device=block.device), block[:, 0]].cumsum(dim=-1, dtype=torch.float64)
    place = _search(inside, (passed - before).clamp(min=0))  # below 0 a token without a share would pass
    # NaN passes nothing; the caller looks for it.
    return (block * blocks.shape[-1] + place).squeeze(1).clamp(max=vocabulary - 1)


def _search(cumulative: Float[Tensor, "row place"], passed: Float[Tensor, "row 1"]) -> Int[Tensor, "row 1"]:
    """The first place above what is to be passed; where rounding puts that at the total, the last that adds to it."""
    total = cumulative[:, -1:]
    threshold = torch.minimum(passed, total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(cumulative, threshold, right=True).clamp(max=cumulative.shape[1] - 1)
