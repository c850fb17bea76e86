"""Sampling in this process, from the policy's own weights: nothing to publish, nothing to serve."""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from medix.policy.base import Policy
from medix.policy.decoder_step import DecoderStep
from medix.policy.decoding import Decoding
from medix.policy.reference import in_evaluation
from medix.policy.shared_decoding import SharedDecoding, why_not_shared
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import OnCompletion, OnText, RolloutEngine, Sampling
from medix.rollout.token_picker import TokenPicker
from medix.types import Completion, FinishReason, Prompt, RolloutGroup

PREFILL_TOKENS = 2**13
"""Prompt tokens, padding included, in one pass: more do not use an accelerator better, but take more memory."""


class LocalEngine(RolloutEngine):
    """Prefills a prompt and its images once, then decodes its G completions token by token.

    The completions share the keys and values of their prompt (``SharedDecoding``) if a comparison with the model's own
    decoding on first use agrees; otherwise each has a copy, and a warning says why.

    Every group has a random generator of its own, seeded from ``sampling.seed`` and the index of its prompt (outside a
    stream, the id of its sample); a token is the first whose cumulative probability exceeds its random number. Random
    numbers therefore do not depend on the batch, but logits do, within rounding, so that a token differs where its
    random number lies that close to the boundary of two tokens (``medix.numerics``). With ``rows_per_batch: 1`` every
    group is decoded alone: on one processor its tokens are then a function of weights, seed and index, bit for bit.

    Args:
        sampling: sampling parameters of training.
        rows_per_batch: completions decoded together; at least the completions of one prompt are.
    """

    def __init__(self, sampling: Sampling, rows_per_batch: int = 64) -> None:
        super().__init__(sampling)
        if rows_per_batch < 1:
            raise ValueError(f"engine.rows_per_batch: {rows_per_batch} must be at least 1")
        self.rows_per_batch = rows_per_batch
        # In a tuple: an engine may be an attribute of a module, and the policy must not be registered in it twice.
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
        return self._sample(prompts, self.sampling if sampling is None else sampling, on_completion)

    def stream(self, prompt: Prompt, on_text: OnText, sampling: Sampling) -> RolloutGroup:
        (group,) = self._sample([prompt], sampling, on_text=on_text)
        return group

    def _sample(
        self,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_completion: OnCompletion | None = None,
        on_text: OnText | None = None,
    ) -> list[RolloutGroup]:
        if not self._policy:
            raise RuntimeError("the engine has no policy to sample from; call bind(policy) first")
        with self._policy[0].gathered():  # first: a collective, which every rank must enter even if it fails later
            return self._rollout(self._policy[0], prompts, sampling, on_completion, on_text)

    def _rollout(
        self,
        policy: VisionLanguagePolicy,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        on_completion: OnCompletion | None,
        on_text: OnText | None,
    ) -> list[RolloutGroup]:
        for prompt in prompts:
            _check_length(prompt, sampling, policy.context_length)
        # Prompts of similar length share a batch, so that there is little padding.
        order = sorted(range(len(prompts)), key=lambda index: len(prompts[index].token_ids))
        size = max(1, self.rows_per_batch // sampling.completions_per_prompt)
        completions: dict[int, tuple[Completion, ...]] = {}
        with torch.no_grad(), in_evaluation(policy):
            if self._shares is None and prompts:
                self._shares = _can_share(policy, prompts[order[0]])
            decoder = DecoderStep(policy.hugging_face) if self._shares else None
            for start in range(0, len(order), size):
                indices = order[start : start + size]
                chosen = [prompts[index] for index in indices]
                batch = _Batch(policy, chosen, sampling, decoder, on_completion, on_text)
                completions.update(zip(indices, batch.run(), strict=True))
        return [RolloutGroup(prompt, completions[index], self.policy_version) for index, prompt in enumerate(prompts)]


@dataclass
class _Row:
    """One completion during decoding."""

    prompt: Prompt
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    completion: Completion | None = None


class _Batch:
    """Prompts that are decoded as one batch."""

    def __init__(
        self,
        policy: VisionLanguagePolicy,
        prompts: Sequence[Prompt],
        sampling: Sampling,
        decoder: DecoderStep | None,
        on_completion: OnCompletion | None,
        on_text: OnText | None,
    ) -> None:
        self.policy = policy
        self.prompts = prompts
        self.sampling = sampling
        self.decoder = decoder
        self.on_completion = on_completion
        self.on_text = on_text
        self.rows = [_Row(prompt) for prompt in prompts for _ in range(sampling.completions_per_prompt)]

    def run(self) -> list[tuple[Completion, ...]]:
        """The completions of each prompt, in order."""
        G, T = self.sampling.completions_per_prompt, self.sampling.max_completion_tokens
        picker = TokenPicker(self.sampling, self.policy.banned_token_ids)
        decoding = self._prefill()
        device = decoding.logits.device
        draws = torch.cat([uniform_draws(prompt, self.sampling) for prompt in self.prompts]).to(device)
        present = list(range(len(self.rows)))  # indices of the rows that are still decoded
        for step in range(T):
            picks = picker.pick(decoding.logits, draws[:, step])
            self._write(present, picks.token_ids, picks.logprobs, is_last=step == T - 1)
            unfinished = [n for n, row in enumerate(present) if self.rows[row].completion is None]
            if not unfinished:
                break
            tokens, kept = picks.tokens, decoding.keep(unfinished)
            if len(kept) < len(present):
                chosen = torch.tensor(kept, device=device)
                tokens, draws = tokens[chosen], draws[chosen]
                present = [present[n] for n in kept]
            self.policy.decode(decoding, tokens)
        written = [row.completion for row in self.rows if row.completion is not None]
        return [tuple(written[start : start + G]) for start in range(0, len(written), G)]

    def _prefill(self) -> Decoding | SharedDecoding:
        """Prefill all prompts."""
        G, T = self.sampling.completions_per_prompt, self.sampling.max_completion_tokens
        if self.decoder is not None:
            prompts = [self.policy.prefill(part) for part in _passes(self.prompts)]
            return SharedDecoding(prompts, G, room=T, decoder=self.decoder)
        decoding = self.policy.prefill(self.prompts)
        decoding.repeat(G)
        return decoding

    def _write(self, present: list[int], tokens: list[int], logprobs: list[float], *, is_last: bool) -> None:
        """Append a token to every unfinished row; finish the rows that end with it."""
        for index, token, logprob in zip(present, tokens, logprobs, strict=True):
            row = self.rows[index]
            if row.completion is not None:
                continue
            row.tokens.append(token)
            row.logprobs.append(logprob)
            if self.on_text is not None:
                self.on_text(self._text(row))
            if token in self.policy.eos_token_ids or self._ends_with_stop_text(row):
                self._finish(row, FinishReason.STOP)
            elif is_last:
                self._finish(row, FinishReason.LENGTH)

    def _ends_with_stop_text(self, row: _Row) -> bool:
        if not self.sampling.stop:
            return False
        longest = max(len(text.encode()) for text in self.sampling.stop)
        return self.sampling.after_stop(self.policy.text_of.tail(row.tokens, longest)) is not None

    def _text(self, row: _Row) -> str:
        text = self.policy.text_of(row.tokens)
        return text[: self.sampling.after_stop(text)]

    def _finish(self, row: _Row, reason: FinishReason) -> None:
        row.completion = Completion(self._text(row), tuple(row.tokens), tuple(row.logprobs), reason)
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
    """Prompts in ascending order of length, split into batches of up to ``PREFILL_TOKENS``."""
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
            f"make {length + limit}, more than the {context} of the policy; lower it, or limit the prompts or the size "
            "of their images"
        )


def uniform_draws(prompt: Prompt, sampling: Sampling) -> Float[Tensor, "completion time"]:
    """The random numbers of a group: a function of the seed and the index of its prompt."""
    digest = hashlib.sha256(f"{sampling.seed}/{prompt.seed_key}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    shape = (sampling.completions_per_prompt, sampling.max_completion_tokens)
    return torch.rand(shape, generator=generator, dtype=torch.float64)
