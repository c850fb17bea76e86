"""A model in this process, sampled by a rollout engine: Hugging Face's own or vLLM."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby, islice
from typing import Any

from medix.data.picture import PictureError
from medix.data.prompt_errors import UnusablePromptError
from medix.data.prompting import Prompting
from medix.evaluation.decoding import Decoding
from medix.evaluation.evaluated_model import Ask, EvaluatedModel, Reply
from medix.evaluation.prompts import sample_of
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import OnText, RolloutEngine, RolloutError, Sampling
from medix.types import Prompt, RolloutGroup

_AT_ONCE = 64


class EngineModel(EvaluatedModel):
    """Renders prompts as training does, and samples with a rollout engine. Prompts that are too long are failures.

    Args:
        prompting: renders the prompts.
        policy: the policy, with its weights loaded.
        engine: samples from it.
        identity: as for ``EvaluatedModel``.
        at_once: prompts given to the engine in one call; a kill loses those of one call.
    """

    def __init__(
        self,
        prompting: Prompting,
        policy: VisionLanguagePolicy,
        engine: RolloutEngine,
        identity: dict[str, Any],
        at_once: int = _AT_ONCE,
    ) -> None:
        super().__init__(prompting, identity)
        self.policy = policy
        self.engine = engine
        self.at_once = at_once
        engine.bind(policy)

    def check_decoding(self, decoding: Decoding) -> None:
        """Refuse completions that leave no room for a prompt in the context.

        Raises:
            ValueError: they leave none.
        """
        if decoding.max_tokens >= self.policy.context_length:
            raise ValueError(
                f"--max-tokens {decoding.max_tokens}: leaves no room for a prompt in the model's context of "
                f"{self.policy.context_length} tokens; give less"
            )

    def replies(self, asks: Sequence[Ask], decoding: Decoding) -> Iterator[tuple[Ask, Reply]]:
        """The replies of one call of the engine after the other."""
        sampling = sampling_of(decoding)
        groups = (list(group) for _, group in groupby(asks, key=lambda ask: ask.item.id))
        while chunk := list(islice(groups, self.at_once)):
            yield from self._chunk(chunk, decoding, lambda prompts: self.engine.rollout(prompts, sampling=sampling))

    def stream(self, ask: Ask, decoding: Decoding, on_text: OnText) -> Reply:
        """The reply to one, written while it is read."""
        sampling = sampling_of(decoding)

        def sampled(prompts: list[Prompt]) -> list[RolloutGroup]:
            return [self.engine.stream(prompt, on_text, sampling) for prompt in prompts]

        ((_, reply),) = self._chunk([[ask]], decoding, sampled)
        return reply

    def _chunk(
        self, chunk: Sequence[list[Ask]], decoding: Decoding, sampled: Callable[[list[Prompt]], list[RolloutGroup]]
    ) -> Iterator[tuple[Ask, Reply]]:
        self.check_decoding(decoding)
        self.prompting.max_prompt_tokens = self.policy.context_length - decoding.max_tokens
        rendered: list[tuple[list[Ask], Prompt]] = []
        for group in chunk:
            try:
                sample = sample_of(group[0].item, self.prompting.modalities)
                rendered.append((group, self.prompting.render(sample, self.policy.processor)))
            except (PictureError, UnusablePromptError) as error:
                failure = error.fault if isinstance(error, UnusablePromptError) else str(error)
                yield from ((ask, Reply(None, failure=failure)) for ask in group)
        began = time.perf_counter()
        try:
            made = sampled([prompt for _, prompt in rendered])
        except RolloutError as error:
            yield from ((ask, Reply(None, failure=str(error))) for group, _ in rendered for ask in group)
            return
        seconds = (time.perf_counter() - began) / max(1, len(rendered))
        for (group, _), rollout in zip(rendered, made, strict=True):
            for ask in group:
                completion = rollout.completions[ask.k]
                yield ask, Reply(completion.text, completion.finish_reason.value, seconds=seconds)

    def close(self) -> None:
        """End the engine."""
        self.engine.close()


def sampling_of(decoding: Decoding) -> Sampling:
    """The decoding as engines take it."""
    return Sampling(
        completions_per_prompt=decoding.samples,
        max_completion_tokens=decoding.max_tokens,
        temperature=decoding.temperature,
        top_p=decoding.top_p,
        top_k=decoding.top_k,
        seed=decoding.seed,
        stop=decoding.stop,
    )
