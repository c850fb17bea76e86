"""Coefficients of a KL divergence, fixed or adaptive."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any


class Coefficient(ABC):
    """The weight of a divergence, which may adapt to it."""

    @property
    @abstractmethod
    def value(self) -> float:
        """The current weight."""

    @abstractmethod
    def update(self, kl: int | float, sequences: int) -> None:
        """Adapt to the divergence of a step.

        A divergence that is not finite leaves the value as it is: the update that it comes from was skipped, and one
        bad batch neither ends a run nor moves its settings.

        Args:
            kl: divergence of the step in nats per token, the same number on every rank.
            sequences: completions the step trained on, over all ranks.
        """

    def check(self, sequences: int) -> None:  # noqa: B027  # only one that adapts can refuse
        """Refuse steps of a size that it cannot adapt to, before the first.

        Args:
            sequences: completions of a step, over all ranks.
        """

    def state_dict(self) -> dict[str, Any]:
        """State that a resumed run needs."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """The inverse of ``state_dict``."""


class FixedCoefficient(Coefficient):
    """A constant weight.

    Args:
        value: the weight, not negative.
    """

    def __init__(self, value: int | float) -> None:
        if not value >= 0:
            raise ValueError(f"value of a KL coefficient must not be negative, got {value}; 0.01 is the published one")
        self._value = float(value)

    @property
    def value(self) -> float:
        return self._value

    def update(self, kl: int | float, sequences: int) -> None:
        """Does nothing."""


class AdaptiveCoefficient(Coefficient):
    """A proportional controller that holds the divergence near a target (arXiv:1909.08593, section 2.2).

    value ← value · (1 + clip(kl / target - 1, ±0.2) · sequences / horizon)

    Args:
        initial: the weight at the start, positive.
        target: the divergence to hold, in nats per token.
        horizon: number of completions over which a full error (±0.2) moves the weight by 20 %; at least a fifth of the
            completions of a step, or one step could turn the weight negative.
    """

    ERROR_BOUND = 0.2

    def __init__(self, initial: int | float, target: int | float, horizon: int | float) -> None:
        for name, number in (("initial", initial), ("target", target), ("horizon", horizon)):
            if not number > 0:
                raise ValueError(f"{name} of an adaptive KL coefficient must be positive, got {number}")
        self.target = target
        self.horizon = horizon
        self._value = float(initial)

    @property
    def value(self) -> float:
        return self._value

    def check(self, sequences: int) -> None:
        """Refuse a horizon that one step overruns.

        Raises:
            ValueError: a step could multiply the weight by a number that is not positive.
        """
        least = 1 - self.ERROR_BOUND * sequences / self.horizon
        if not least > 0:
            raise ValueError(
                f"horizon {self.horizon} is too short for {sequences} completions in a step: the KL coefficient could "
                f"be multiplied by {least:g}; set horizon to several times that number"
            )

    def update(self, kl: int | float, sequences: int) -> None:
        self.check(sequences)
        if math.isfinite(kl):
            error = min(max(kl / self.target - 1, -self.ERROR_BOUND), self.ERROR_BOUND)
            self._value *= 1 + error * sequences / self.horizon

    def state_dict(self) -> dict[str, Any]:
        return {"value": self._value}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._value = float(state["value"])
