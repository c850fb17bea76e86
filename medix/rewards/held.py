"""A reference that ``nn.Module`` does not register."""

from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Held(Generic[T]):
    """Holds a judge, an encoder or a model beside a metric instead of inside it.

    ``nn.Module`` registers every module that is assigned to it, and a metric that registers an encoder leaks it into
    the parameters and checkpoints of whatever holds the metric. Copies of the holder share what is held.
    """

    def __init__(self, value: T) -> None:
        self.value = value

    def __deepcopy__(self, memo: dict[int, Any]) -> "Held[T]":
        return self
