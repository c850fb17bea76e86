"""Base class of rollout engines: prompts in, groups of completions out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from medix.policy.base import Policy
from medix.types import Completion, Prompt, RolloutGroup

OnCompletion = Callable[[Prompt, Completion], None]
"""Called as soon as a completion is finished, possibly from another thread."""

OnText = Callable[[str], None]
"""Called with all of a completion that is written so far, possibly from another thread."""


@dataclass(frozen=True)
class Sampling:
    """Sampling parameters.

    Args:
        completions_per_prompt: G.
        max_completion_tokens: maximum of T; longer completions are truncated and marked.
        temperature: 0 is greedy decoding.
        top_p: probability of the nucleus; 1 keeps every token.
        top_k: number of most likely tokens kept; 0 keeps every token.
        seed: with the prompt's index, decides the random numbers of a group, whatever the batch, the number of ranks
            and what was sampled before. Logits depend on the batch within rounding, and tokens with them where a
            random number lies that close to the boundary of two tokens (``medix.numerics``).
        stop: texts that end a completion, as the end token does. The completion's text ends with the stop text; its
            last token may contain characters after it.
    """

    completions_per_prompt: int = 8
    max_completion_tokens: int = 1024
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 1
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        checks = {
            "completions_per_prompt": self.completions_per_prompt >= 1,
            "max_completion_tokens": self.max_completion_tokens >= 1,
            "temperature": self.temperature >= 0,
            "top_p": 0 < self.top_p <= 1,
            "top_k": self.top_k >= 0,
            "stop": all(self.stop),
        }
        for name, holds in checks.items():
            if not holds:
                raise ValueError(
                    f"sampling.{name}: {getattr(self, name)} is outside its range; see medix.rollout.Sampling"
                )

    def after_stop(self, text: str) -> int | None:
        """Index after the first stop text in a text; None if there is none."""
        ends = [text.find(stop) + len(stop) for stop in self.stop if stop in text]
        return min(ends, default=None)


@dataclass(frozen=True)
class EvaluationSampling(Sampling):
    """Sampling parameters of validation, test and prediction; the defaults are those of the public scripts.

    Args:
        completions_per_prompt: completions of each held-out prompt.
        max_completion_tokens: maximum of T; longer completions are truncated and marked.
        temperature: 0 is greedy decoding.
        top_p: probability of the nucleus; 1 keeps every token.
        top_k: number of most likely tokens kept; 0 keeps every token.
        seed: with the prompt's index, decides the random numbers of a group.
        stop: texts that end a completion, which includes them.
    """

    completions_per_prompt: int = 1
    temperature: float = 0.6
    top_p: float = 0.95


class RolloutError(RuntimeError):
    """Completions could not be sampled; the message names the prompts by the ids of their samples."""


class StaleEngineError(RolloutError):
    """The engine's weights are not those of the policy."""


class RolloutEngine(ABC):
    """Samples completions from the policy.

    Args:
        sampling: sampling parameters of training.
    """

    samples_elsewhere: bool = False
    """Whether it has its own copy of the weights, and can sample while the policy is updated."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self.policy_version = 0

    @abstractmethod
    def bind(self, policy: Policy) -> None:
        """Set the policy to sample from; called after its weights are loaded."""

    @abstractmethod
    def rollout(
        self,
        prompts: Sequence[Prompt],
        on_completion: OnCompletion | None = None,
        sampling: Sampling | None = None,
    ) -> list[RolloutGroup]:
        """Sample one group per prompt, in order. A prompt and its images are computed once per group.

        Args:
            prompts: the prompts to complete.
            on_completion: called with each completion when it is finished.
            sampling: overrides the parameters of training, as in evaluation.
        """

    def stream(self, prompt: Prompt, on_text: OnText, sampling: Sampling) -> RolloutGroup:
        """Sample one completion, for somebody who reads it while it is written.

        Engines that do not show a completion before its end call ``on_text`` once.

        Args:
            prompt: to complete.
            on_text: called whenever the completion has grown.
            sampling: of one completion per prompt.
        """
        (group,) = self.rollout([prompt], sampling=sampling)
        on_text(group.completions[0].text)
        return group

    def publish(self, policy: Policy) -> None:  # noqa: ARG002  # used by engines with a copy of the weights
        """Give the engine the policy's current weights."""
        self.policy_version += 1

    def state_dict(self) -> dict[str, Any]:
        """State that a checkpoint needs to continue the same trajectory."""
        return {"policy_version": self.policy_version}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.policy_version = state["policy_version"]

    def close(self) -> None:  # noqa: B027  # most engines have nothing to release
        """Release servers and memory."""
