"""What every rollout engine is: prompts in, groups of completions out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from medix.policy.base import Policy
from medix.types import Completion, Prompt, RolloutGroup

OnCompletion = Callable[[Prompt, Completion], None]
"""Called as soon as a completion exists, from whichever thread made it."""


@dataclass(frozen=True)
class Sampling:
    """How completions are drawn.

    Args:
        completions_per_prompt: G.
        max_completion_tokens: T at most; longer completions are cut and marked.
        temperature: 0 takes the most likely token.
        top_p: nucleus; 1 keeps every token.
        top_k: tokens considered; 0 keeps every token.
        seed: with the prompt's index, decides every draw, so that the tokens of a group are a function of weights,
            seed and index: not of its neighbours in the batch, the number of ranks, or what ran before.
        stop: texts that end a completion, as the end token does. The completion's text ends with the stop text; its
            tokens may say a little more, where the last of them does.
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
        """Where a text should have ended: behind the first of the stop texts in it; None if there is none."""
        ends = [text.find(stop) + len(stop) for stop in self.stop if stop in text]
        return min(ends, default=None)


@dataclass(frozen=True)
class EvaluationSampling(Sampling):
    """How validation, test and prediction draw completions, unless a spec says otherwise: as the public scripts do.

    Args:
        completions_per_prompt: completions of each held-out prompt.
        max_completion_tokens: T at most; longer completions are cut and marked.
        temperature: 0 takes the most likely token.
        top_p: nucleus; 1 keeps every token.
        top_k: tokens considered; 0 keeps every token.
        seed: with the prompt's index, decides every draw.
        stop: texts that end a completion, which includes them.
    """

    completions_per_prompt: int = 1
    temperature: float = 0.6
    top_p: float = 0.95


class RolloutError(RuntimeError):
    """Completions could not be had; the message names the prompts by the ids of their samples."""


class StaleEngineError(RolloutError):
    """The engine samples from other weights than the policy has."""


class RolloutEngine(ABC):
    """Samples completions from the policy.

    Args:
        sampling: how training completions are drawn.
    """

    samples_elsewhere: bool = False
    """Whether it has weights of its own, and so may sample while the policy is updated."""

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self.policy_version = 0

    @abstractmethod
    def bind(self, policy: Policy) -> None:
        """Take the policy to sample from; called once its weights are loaded."""

    @abstractmethod
    def rollout(
        self,
        prompts: Sequence[Prompt],
        on_completion: OnCompletion | None = None,
        sampling: Sampling | None = None,
    ) -> list[RolloutGroup]:
        """One group per prompt, in order. Prompt and images are computed once per group.

        Args:
            prompts: what to complete.
            on_completion: told of each completion as it is finished.
            sampling: other settings for this call (evaluation has its own).
        """

    def publish(self, policy: Policy) -> None:  # noqa: ARG002  # engines that keep a copy of the weights read it
        """Give the engine the policy's present weights."""
        self.policy_version += 1

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold for the same trajectory."""
        return {"policy_version": self.policy_version}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.policy_version = state["policy_version"]

    def close(self) -> None:  # noqa: B027  # most engines hold nothing
        """Give back servers and memory."""
