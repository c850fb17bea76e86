"""The model that is evaluated: questions in, completions out as they arrive."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from medix.data.prompting import Prompting
from medix.evaluation.decoding import Decoding
from medix.evaluation.tasks.item import Item


@dataclass(frozen=True, slots=True)
class Ask:
    """One completion to be made.

    Attributes:
        key: content hash of everything that it depends on.
        item: what is asked.
        k: which of the completions of the item.
    """

    key: str
    item: Item
    k: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of an ``Ask``.

    Attributes:
        completion: the whole output of the model; None if there is none.
        finish_reason: ``stop``, ``length``, or empty if it is not known.
        failure: why there is no completion; empty if there is one.
        seconds: that it took, pauses between attempts included.
    """

    completion: str | None
    finish_reason: str = ""
    failure: str = ""
    seconds: float = 0.0


class EvaluatedModel(ABC):
    """A model and how it is asked.

    Args:
        prompting: renders the prompts.
        identity: name, revision or weights, and engine; a change of it makes completions stale.
    """

    def __init__(self, prompting: Prompting, identity: dict[str, Any]) -> None:
        self.prompting = prompting
        self.identity = identity

    @abstractmethod
    def replies(self, asks: Sequence[Ask], decoding: Decoding) -> Iterator[tuple[Ask, Reply]]:
        """The reply to each, as it arrives. What cannot be answered is a reply with its failure.

        Args:
            asks: those of one item next to each other.
            decoding: how completions are drawn.
        """

    def close(self) -> None:  # noqa: B027 - most models hold no resources
        """Release servers, connections and memory."""
