"""The model that is evaluated: questions in, completions out as they arrive."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
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

    def check_decoding(self, decoding: Decoding) -> None:  # noqa: B027 - a server says what it cannot do
        """See to it that the model can be asked, before the folder of an evaluation is bound to it.

        Raises:
            ValueError: no prompt could be answered.
        """

    def stream(self, ask: Ask, decoding: Decoding, on_text: Callable[[str], None]) -> Reply:
        """The reply to one, which is that of ``replies``, for somebody who reads it while it is written.

        Args:
            ask: what is asked.
            decoding: of one completion of each item.
            on_text: called, possibly from another thread, with all that is written so far whenever that has grown; an
                attempt that failed and is made again begins anew. Models that do not show a completion before its end
                call it once.
        """
        ((_, reply),) = self.replies([ask], decoding)
        if reply.completion is not None:
            on_text(reply.completion)
        return reply

    def close(self) -> None:  # noqa: B027 - most models hold no resources
        """Release servers, connections and memory."""
