"""Sampling in this process, from the policy's own weights: nothing to publish, nothing to serve."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float, Int
from torch import Tensor

from medix.policy.base import Policy
from medix.policy.reference import in_evaluation
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import OnCompletion, RolloutEngine, Sampling
from medix.types import Completion, FinishReason, Prompt, RolloutGroup


class LocalEngine(RolloutEngine):
    """Prefills a prompt and its images once, then decodes its G completions token by token.

    Every group has a random generator of its own, seeded from ``sampling.seed`` and the index of its prompt (outside a
    stream, the id of its sample), and picks each token by the inverse of the cumulative distribution. Its tokens do not
    depend on its neighbours in a batch, but for rounding in the scores.

    Args:
        sampling: how training completions are drawn.
        rows_per_batch: completions decoded together; at least the completions of one prompt are.
    """

    def __init__(self, sampling: Sampling, rows_per_batch: int = 64) -> None:
        super().__init__(sampling)
        if rows_per_batch < 1:
            raise ValueError(f"engine.rows_per_batch: {rows_per_batch} must be at least 1")
        self.rows_per_batch = rows_per_batch
        # In a tuple: engines may be attributes of modules, and the policy must not become a part of two.
        self._policy: tuple[VisionLanguagePolicy, ...] = ()

    def bind(self, policy: Policy) -> None:
        if not isinstance(policy, VisionLanguagePolicy):
            raise TypeError(
                f"engine: LocalEngine samples from a VisionLanguagePolicy, got {type(policy).__name__}; "
                "give another engine, or a policy of that class"
            )
        self._policy = (policy,)

    def rollout(
        self,
        prompts: Sequence[Prompt],
        on_completion: OnCompletion | None = None,
        sampling: Sampling | None = None,
    ) -> list[RolloutGroup]:
        sampling = self.sampling if sampling is None else sampling
        if not self._policy:
            raise RuntimeError("the engine has no policy to sample from; call bind(policy) first")
        with self._policy[0].gathered():  # first: every rank must come here, whatever stops it afterwards
            return self._rollout(self._policy[0], prompts, on_completion, sampling)

    def _rollout(
        self,
        policy: VisionLanguagePolicy,
        prompts: Sequence[Prompt],
        on_completion: OnCompletion | None,
        sampling: Sampling,
    ) -> list[RolloutGroup]:
        for prompt in prompts:
            _check_length(prompt, sampling, policy.context_length)
        # Prompts of like length share a batch, so that little is padded.
        order = sorted(range(len(prompts)), key=lambda place: len(prompts[place].token_ids))
        size = max(1, self.rows_per_batch // sampling.completions_per_prompt)
        completions: dict[int, tuple[Completion, ...]] = {}
        with torch.no_grad(), in_evaluation(policy):
            for start in range(0, len(order), size):
                places = order[start : start + size]
                batch = _Batch(policy, [prompts[place] for place in places], sampling, on_completion)
                completions.update(zip(places, batch.run(), strict=True))
        return [RolloutGroup(prompt, completions[place], self.policy_version) for place, prompt in enumerate(prompts)]


@dataclass
class _Row:
    """One completion while it is written."""

    prompt: Prompt
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    completion: Completion | None = None


class _Batch:
    """Prompts that are decoded together."""

    def __init__(
        self,
        policy: VisionLanguagePolicy,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_completion: OnCompletion | None,
    ) -> None:
        self.policy = policy
        self.prompts = prompts
        self.sampling = sampling
        self.on_completion = on_completion
        self.rows = [_Row(prompt) for prompt in prompts for _ in range(sampling.completions_per_prompt)]

    def run(self) -> list[tuple[Completion, ...]]:
        """The completions of each prompt, in order."""
        G, T = self.sampling.completions_per_prompt, self.sampling.max_completion_tokens
        decoding = self.policy.prefill(self.prompts)
        decoding.repeat(G)
        device = decoding.logits.device
        draws = torch.cat([_uniform_draws(prompt, self.sampling) for prompt in self.prompts]).to(device)
        present = list(range(len(self.rows)))  # rows of the batch that are still decoded
        for step in range(T):
            tokens, logprobs = _pick(decoding.logits, draws[present, step], self.sampling, self.policy.banned_token_ids)
            self._write(present, tokens.tolist(), logprobs.tolist(), is_last=step == T - 1)
            unfinished = [place for place, row in enumerate(present) if self.rows[row].completion is None]
            if not unfinished:
                break
            if 2 * len(unfinished) <= len(present):
                # Copying the cache costs about as much as one step: worth it once half of the rows are finished.
                kept = torch.tensor(unfinished, device=device)
                decoding.keep(kept)
                tokens = tokens[kept]
                present = [present[place] for place in unfinished]
            self.policy.decode(decoding, tokens)
        written = [row.completion for row in self.rows if row.completion is not None]
        return [tuple(written[start : start + G]) for start in range(0, len(written), G)]

    def _write(self, present: list[int], tokens: list[int], logprobs: list[float], *, is_last: bool) -> None:
        """Append a token to every unfinished row; finish those that ended."""
        for place, token, logprob in zip(present, tokens, logprobs, strict=True):
            row = self.rows[place]
            if row.completion is not None:
                continue
            row.tokens.append(token)
            row.logprobs.append(logprob)
            if token in self.policy.eos_token_ids:
                self._finish(row, FinishReason.STOP)
            elif is_last:
                self._finish(row, FinishReason.LENGTH)

    def _finish(self, row: _Row, reason: FinishReason) -> None:
        text = self.policy.processor.tokenizer.decode(row.tokens, skip_special_tokens=True)
        row.completion = Completion(text, tuple(row.tokens), tuple(row.logprobs), reason)
        if self.on_completion is not None:
            self.on_completion(row.prompt, row.completion)


def _check_length(prompt: Prompt, sampling: Sampling, context: int) -> None:
    length, limit = len(prompt.token_ids), sampling.max_completion_tokens
    if length + limit > context:
        raise ValueError(
            f"sampling.max_completion_tokens: {limit} after the {length} prompt tokens of sample {prompt.sample.id!r} "
            f"make {length + limit}, and the policy is made for {context}; lower it, or limit the prompts or the size "
            "of their images"
        )


def _uniform_draws(prompt: Prompt, sampling: Sampling) -> Float[Tensor, "completion time"]:
    """What decides the tokens of a group: a function of the seed and the prompt's place in the data."""
    place = str(prompt.index) if prompt.index >= 0 else f"id:{prompt.sample.id}"
    digest = hashlib.sha256(f"{sampling.seed}/{place}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    shape = (sampling.completions_per_prompt, sampling.max_completion_tokens)
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def _pick(
    logits: Float[Tensor, "row vocab"], draws: Float[Tensor, " row"], sampling: Sampling, banned: Sequence[int]
) -> tuple[Int[Tensor, " row"], Float[Tensor, " row"]]:
    """One token per row and its log-probability; greedy at temperature 0, reported at temperature 1.

    The log-probability is that of the whole distribution, banned tokens left out, whatever ``top_k`` and ``top_p``
    leave of it: it is what the policy gives the token when it is trained.
    """
    scores = logits.float() / (sampling.temperature or 1.0)
    scores[:, list(banned)] = -torch.inf
    logprobs = scores.log_softmax(dim=-1)
    if bool(logprobs[:, 0].isnan().any()):  # one NaN among the scores of a row makes NaN of all
        raise FloatingPointError(
            "the policy's scores are NaN, its weights have diverged: go back to an earlier checkpoint and lower the "
            "learning rate, or set update.max_grad_norm"
        )
    if sampling.temperature == 0:
        tokens = logprobs.argmax(dim=-1)
    else:
        # float64: the last bits of a float32 sum over 150,000 tokens would be lost, and with them rare tokens.
        cumulative = _filtered(logprobs, sampling).exp().double().cumsum(dim=-1)
        total = cumulative[:, -1:]
        # The first token whose cumulative share passes the draw; a token without a share cannot be that. A product
        # that rounds up to the total would pass every token.
        threshold = torch.minimum(draws[:, None] * total, total.nextafter(torch.zeros_like(total)))
        tokens = torch.searchsorted(cumulative, threshold, right=True).squeeze(1)
    return tokens, logprobs.gather(1, tokens[:, None]).squeeze(1)


def _filtered(logprobs: Float[Tensor, "row vocab"], sampling: Sampling) -> Float[Tensor, "row vocab"]:
    """Log-probabilities with -inf outside ``top_k``, then outside the nucleus of ``top_p``."""
    if 0 < sampling.top_k < logprobs.shape[-1]:
        least = logprobs.topk(sampling.top_k, dim=-1).values[:, -1:]
        logprobs = logprobs.masked_fill(logprobs < least, -torch.inf)
    if sampling.top_p < 1:
        ordered, places = logprobs.log_softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
        before = ordered.exp().cumsum(dim=-1) - ordered.exp()
        outside = torch.zeros_like(before, dtype=torch.bool).scatter(1, places, before >= sampling.top_p)
        logprobs = logprobs.masked_fill(outside, -torch.inf)
    return logprobs
