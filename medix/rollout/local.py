"""Sampling in this process, from the policy's own weights: nothing to publish, nothing to serve."""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from medix.policy.base import Policy
from medix.policy.decoding import Decoding
from medix.policy.packed_linear import packed
from medix.policy.reference import in_evaluation
from medix.policy.shared_decoding import SharedDecoding, why_not_shared
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import OnCompletion, RolloutEngine, Sampling
from medix.rollout.token_picker import TokenPicker
from medix.types import Completion, FinishReason, Prompt, RolloutGroup

PREFILL_TOKENS = 2**13
"""Tokens of prompts, padding included, in one pass: more fill no accelerator better and only need more memory."""


class LocalEngine(RolloutEngine):
    """Prefills a prompt and its images once, then decodes its G completions token by token.

    The completions share the keys and values of their prompt (``SharedDecoding``) wherever a first comparison with the
    model's own way of decoding agrees; otherwise each has a copy, and a warning says why.

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
        self._shares: bool | None = None  # unknown until the first prompt

    def bind(self, policy: Policy) -> None:
        if not isinstance(policy, VisionLanguagePolicy):
            raise TypeError(
                f"engine: LocalEngine samples from a VisionLanguagePolicy, got {type(policy).__name__}; "
                "give another engine, or a policy of that class"
            )
        if self._policy != (policy,):
            self._policy = (policy,)
            self._shares = None

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
        with torch.no_grad(), in_evaluation(policy), packed(policy):
            if self._shares is None and prompts:
                self._shares = _can_share(policy, prompts[order[0]])
            for start in range(0, len(order), size):
                places = order[start : start + size]
                batch = _Batch(policy, [prompts[place] for place in places], sampling, on_completion, self._shares)
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
        shares: bool | None,
    ) -> None:
        self.policy = policy
        self.prompts = prompts
        self.sampling = sampling
        self.on_completion = on_completion
        self.shares = shares
        self.rows = [_Row(prompt) for prompt in prompts for _ in range(sampling.completions_per_prompt)]

    def run(self) -> list[tuple[Completion, ...]]:
        """The completions of each prompt, in order."""
        G, T = self.sampling.completions_per_prompt, self.sampling.max_completion_tokens
        picker = TokenPicker(self.sampling, self.policy.banned_token_ids)
        decoding = self._prefill()
        device = decoding.logits.device
        draws = torch.cat([_uniform_draws(prompt, self.sampling) for prompt in self.prompts]).to(device)
        present = list(range(len(self.rows)))  # rows of the batch that are still decoded
        for step in range(T):
            picks = picker.pick(decoding.logits, draws[:, step])
            self._write(present, picks.token_ids, picks.logprobs, is_last=step == T - 1)
            unfinished = [place for place, row in enumerate(present) if self.rows[row].completion is None]
            if not unfinished:
                break
            tokens, kept = picks.tokens, decoding.keep(unfinished)
            if len(kept) < len(present):
                chosen = torch.tensor(kept, device=device)
                tokens, draws = tokens[chosen], draws[chosen]
                present = [present[place] for place in kept]
            self.policy.decode(decoding, tokens)
        written = [row.completion for row in self.rows if row.completion is not None]
        return [tuple(written[start : start + G]) for start in range(0, len(written), G)]

    def _prefill(self) -> Decoding | SharedDecoding:
        """Every prompt passed through the policy, ready for the first tokens of its completions."""
        G, T = self.sampling.completions_per_prompt, self.sampling.max_completion_tokens
        if self.shares:
            return SharedDecoding([self.policy.prefill(part) for part in _passes(self.prompts)], G, room=T)
        decoding = self.policy.prefill(self.prompts)
        decoding.repeat(G)
        return decoding

    def _write(self, present: list[int], tokens: list[int], logprobs: list[float], *, is_last: bool) -> None:
        """Append a token to every unfinished row; finish those that ended."""
        for place, token, logprob in zip(present, tokens, logprobs, strict=True):
            row = self.rows[place]
            if row.completion is not None:
                continue
            row.tokens.append(token)
            row.logprobs.append(logprob)
            if token in self.policy.eos_token_ids or self._says_stop(row):
                self._finish(row, FinishReason.STOP)
            elif is_last:
                self._finish(row, FinishReason.LENGTH)

    def _says_stop(self, row: _Row) -> bool:
        if not self.sampling.stop:
            return False
        # A token is a byte at least, so that a text which ends here began within so many; special tokens are none.
        reach = 8 + max(len(text.encode()) for text in self.sampling.stop)
        return self.sampling.after_stop(self._decoded(row.tokens[-reach:])) is not None

    def _decoded(self, tokens: Sequence[int]) -> str:
        return str(self.policy.processor.tokenizer.decode(tokens, skip_special_tokens=True))

    def _finish(self, row: _Row, reason: FinishReason) -> None:
        text = self._decoded(row.tokens)
        text = text[: self.sampling.after_stop(text)]
        row.completion = Completion(text, tuple(row.tokens), tuple(row.logprobs), reason)
        if self.on_completion is not None:
            self.on_completion(row.prompt, row.completion)


def _can_share(policy: VisionLanguagePolicy, prompt: Prompt) -> bool:
    reason = why_not_shared(policy.hugging_face, policy.prefill([prompt]))
    if reason is not None:
        warnings.warn(
            f"completions of {policy.name} do not share their prompt while they are sampled, which takes more time and "
            f"memory: {reason}",
            stacklevel=2,
        )
    return reason is None


def _passes(prompts: Sequence[Prompt]) -> Iterator[Sequence[Prompt]]:
    """Prompts, the shorter ones first, in parts that pass through the policy together."""
    start = 0
    for end in range(1, len(prompts) + 1):
        if end == len(prompts) or (end + 1 - start) * len(prompts[end].token_ids) > PREFILL_TOKENS:
            yield prompts[start:end]
            start = end


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
    digest = hashlib.sha256(f"{sampling.seed}/{prompt.place}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    shape = (sampling.completions_per_prompt, sampling.max_completion_tokens)
    return torch.rand(shape, generator=generator, dtype=torch.float64)
