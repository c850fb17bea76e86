"""Replicated weights: every rank holds all of them, and gradients are averaged in the last backward pass (DDP)."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from medix.policy.sharding import Sharding


class Replicated(Sharding):
    """Every rank holds all weights.

    Args:
        without_average: context in which backward passes leave gradients on their rank.
    """

    def __init__(self, without_average: Callable[[], AbstractContextManager[Any]]) -> None:
        self._without_average = without_average

    def micro_batch(self, is_last: bool) -> AbstractContextManager[Any]:
        return nullcontext() if is_last else self._without_average()
