"""One token per row from the policy's logits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from medix.rollout.engine import Sampling

BLOCK = 1024
"""Tokens per block of the cumulative distribution: the block of a random number is found first, then its token."""

CANDIDATES = 512
"""Most likely tokens that are sorted for a nucleus; if these are too few, the whole vocabulary is."""


DIVERGED = (
    "its weights have diverged: lower the learning rate, or set update.max_grad_norm, and go on from an earlier "
    "checkpoint (--ckpt_path), or begin again where there is none"
)
"""What NaN of a policy means, and what to do; whoever finds it does not know which checkpoints there are."""


@dataclass(frozen=True)
class Picks:
    """The token of each row, as a tensor on the device and as a list, with its log-probability."""

    tokens: Int[Tensor, " row"]
    token_ids: list[int]
    logprobs: list[float]


class TokenPicker:
    """Picks tokens by the inverse of the cumulative distribution; greedily at temperature 0.

    A token depends on the logits and the random number of its row only, not on the device's generator.

    Args:
        sampling: temperature, ``top_k`` and ``top_p``.
        banned: tokens that are never picked.
    """

    def __init__(self, sampling: Sampling, banned: Sequence[int]) -> None:
        self.sampling = sampling
        self.banned = tuple(banned)
        self._banned: Tensor | None = None  # on the device of the logits

    def pick(self, logits: Float[Tensor, "row vocab"], draws: Float[Tensor, " row"]) -> Picks:
        """One token per row and its log-probability; greedy at temperature 0, reported at temperature 1.

        The log-probability is under the whole distribution without banned tokens, before ``top_k`` and ``top_p``, as
        training computes it.

        Args:
            logits: logits of the next token.
            draws: uniform random numbers in [0, 1).
        """
        logprobs = self.logprobs(logits)
        if self.sampling.temperature == 0:
            tokens = logprobs.argmax(dim=-1)
        else:
            tokens = _first_past(draws, self.filtered(logprobs).exp())
        chosen = logprobs.gather(1, tokens[:, None]).squeeze(1)
        picks = Picks(tokens, tokens.tolist(), chosen.tolist())
        if any(map(math.isnan, picks.logprobs)):  # one NaN logit makes all log-probabilities NaN
            raise FloatingPointError(f"the policy's logits are NaN, {DIVERGED}")
        return picks

    def logprobs(self, logits: Float[Tensor, "row vocab"]) -> Float[Tensor, "row vocab"]:
        """Log-probabilities of all tokens at the temperature, -inf where banned."""
        logits = logits.float()
        if self.sampling.temperature not in (0.0, 1.0):
            logits = logits / self.sampling.temperature
        if self.banned:
            if self._banned is None or self._banned.device != logits.device:
                self._banned = torch.tensor(self.banned, device=logits.device)
            logits = logits.index_fill(1, self._banned, -torch.inf)
        return logits.log_softmax(dim=-1)

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
    """True on the most likely tokens, up to the one with which their probabilities sum to ``top_p``.

    A few candidates are sorted instead of the vocabulary, which is enough unless the distribution is very flat.
    """
    vocabulary = logprobs.shape[-1]
    candidates = CANDIDATES if vocabulary > CANDIDATES else vocabulary
    while True:
        values, tokens = _most_likely(logprobs, candidates)
        before = values.exp().cumsum(dim=-1) - values.exp()
        inside = before < top_p
        # Tokens that tie with the last candidate may be missing, though they come before it.
        if candidates == vocabulary or bool((~inside & (values > values[:, -1:])).any(dim=-1).all()):
            return torch.zeros_like(logprobs, dtype=torch.bool).scatter(1, tokens, inside)
        candidates = vocabulary


def _most_likely(logprobs: Float[Tensor, "row vocab"], count: int) -> tuple[Tensor, Tensor]:
    """Log-probabilities and ids of the most likely tokens; ties in ascending order of the id."""
    if count == logprobs.shape[-1]:
        ordered = logprobs.sort(dim=-1, descending=True, stable=True)
        return ordered.values, ordered.indices
    tokens = logprobs.topk(count, dim=-1).indices.sort(dim=-1).values
    ordered = logprobs.gather(1, tokens).sort(dim=-1, descending=True, stable=True)
    return ordered.values, tokens.gather(1, ordered.indices)


def _first_past(draws: Float[Tensor, " row"], probabilities: Float[Tensor, "row vocab"]) -> Int[Tensor, " row"]:
    """The first token whose cumulative probability exceeds draw × total; never a token of probability 0.

    Sums are in float64: a float32 sum over 150,000 tokens would lose rare tokens to rounding. They are computed per
    block of tokens, then within the block of the draw.
    """
    rows, vocabulary = probabilities.shape
    missing = -vocabulary % BLOCK if vocabulary > BLOCK else 0
    blocks = torch.nn.functional.pad(probabilities, (0, missing)).view(rows, -1, min(BLOCK, vocabulary))
    cumulative = blocks.sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)
    target = draws[:, None] * cumulative[:, -1:]
    block = _search(cumulative, target)
    before = torch.where(block > 0, cumulative.gather(1, (block - 1).clamp(min=0)), 0.0)
    inside = blocks[torch.arange(rows, device=block.device), block[:, 0]].cumsum(dim=-1, dtype=torch.float64)
    index = _search(inside, (target - before).clamp(min=0))  # below 0, a token of probability 0 could be picked
    # NaN exceeds nothing; the caller checks for it.
    return (block * blocks.shape[-1] + index).squeeze(1).clamp(max=vocabulary - 1)


def _search(cumulative: Float[Tensor, "row index"], target: Float[Tensor, "row 1"]) -> Int[Tensor, "row 1"]:
    """The first index whose sum exceeds the target; if rounding puts the target at the total, the last that adds."""
    total = cumulative[:, -1:]
    threshold = torch.minimum(target, total.nextafter(torch.zeros_like(total)))
    return torch.searchsorted(cumulative, threshold, right=True).clamp(max=cumulative.shape[1] - 1)
