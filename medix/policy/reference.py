"""The reference policy: the weights before training, for the KL divergence.

It is not a submodule of the policy, so that its weights are in no optimiser and in no checkpoint.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn

from medix.policy.base import Policy
from medix.types import RolloutGroup


class ReferencePolicy(ABC):
    """Log-probabilities under the weights before training."""

    @abstractmethod
    def logprobs(self, groups: Sequence[RolloutGroup], temperature: float) -> Float[Tensor, "row time"]:
        """As ``Policy.logprobs``, without gradient and without dropout."""

    @abstractmethod
    def logprobs_in_chunks(
        self, parts: Sequence[RolloutGroup], temperature: float
    ) -> Iterator[Float[Tensor, "row time"]]:
        """As ``Policy.logprobs_in_chunks``, the same way; to be read to its end."""


class AdapterReference(ReferencePolicy):
    """The policy itself with its adapters disabled: no second model.

    Args:
        policy: a policy whose only trained weights are adapters.
        disabled: context in which its adapters are disabled.
    """

    def __init__(self, policy: Policy, disabled: Callable[[], object]) -> None:
        self._policy = (policy,)
        self._disabled = disabled

    @torch.no_grad()
    def logprobs(self, groups: Sequence[RolloutGroup], temperature: float) -> Float[Tensor, "row time"]:
        (policy,) = self._policy
        with in_evaluation(policy), self._disabled():  # type: ignore[attr-defined]
            return policy.logprobs(groups, temperature)

    def logprobs_in_chunks(
        self, parts: Sequence[RolloutGroup], temperature: float
    ) -> Iterator[Float[Tensor, "row time"]]:
        (policy,) = self._policy
        with torch.no_grad(), in_evaluation(policy), self._disabled():  # type: ignore[attr-defined]
            yield from policy.logprobs_in_chunks(parts, temperature)


class FrozenReference(ReferencePolicy):
    """A second model, loaded on first use.

    Args:
        policy: the policy under training, for its device.
        build: creates the policy to load.
    """

    def __init__(self, policy: Policy, build: Callable[[], Policy]) -> None:
        self._policy = (policy,)
        self._build = build
        self._frozen: Policy | None = None

    @property
    def frozen(self) -> Policy:
        """The second model, on the device of the policy."""
        if self._frozen is None:
            self._frozen = self._build()
            self._frozen.load()
            self._frozen.requires_grad_(False).eval()
        device = next(self._policy[0].parameters()).device
        return self._frozen.to(device)

    @torch.no_grad()
    def logprobs(self, groups: Sequence[RolloutGroup], temperature: float) -> Float[Tensor, "row time"]:
        return self.frozen.logprobs(groups, temperature)

    def logprobs_in_chunks(
        self, parts: Sequence[RolloutGroup], temperature: float
    ) -> Iterator[Float[Tensor, "row time"]]:
        with torch.no_grad():
            yield from self.frozen.logprobs_in_chunks(parts, temperature)


@contextmanager
def in_evaluation(module: nn.Module) -> Iterator[None]:
    """Evaluation mode inside; afterwards every submodule has its previous mode."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
