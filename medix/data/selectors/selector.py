"""What a training run draws: a function of (seed, index, state)."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from medix.data.stream import Place, Stream


class Outcome(NamedTuple):
    """What a finished step says of one group that was scored for it.

    Attributes:
        draw: number of the draw that its prompt was rendered from.
        has_spread: whether the totals of its completions differ; None if fewer than two are scored.
        reward: mean of the totals that are scored; NaN if none is.
    """

    draw: int
    has_spread: bool | None
    reward: float


class Selector(ABC):
    """Decides which sample each draw of a training run reads.

    Draws are numbered over the whole run. What a draw reads is a function of the seed, its number and the state. The
    state changes in ``finish_step`` alone, is equal on all ranks, and is in the checkpoint, so that a run continues at
    any draw on any number of ranks and workers. A selector keeps no other state.

    Attributes:
        changes_with_steps: whether the draws after a step depend on the step or on its outcomes. The loader then plans
            the draws of a batch when the batch is requested, and its workers render no later batch before that.
        needs_outcomes: whether ``finish_step`` reads the outcomes, which are gathered from all ranks for it.
        leaves_rest: whether the draws at the end of an epoch that do not fill a batch are left out. Otherwise a batch
            goes on into the next epoch, where a run continues with batches of another size.
    """

    changes_with_steps: bool = False
    needs_outcomes: bool = False
    leaves_rest: bool = True

    @abstractmethod
    def bind(self, stream: Stream) -> None:
        """Set the samples to draw from, and the initial state."""

    @abstractmethod
    def locate(self, index: int) -> Place:
        """The place in the stream of the sample that a draw reads.

        Args:
            index: number of the draw; not before the position of the last ``finish_step``.
        """

    @abstractmethod
    def shards_from(self, index: int) -> Iterator[int]:
        """The shards that draws from ``index`` on read, roughly in the order in which they are needed."""

    @abstractmethod
    def epoch(self, batch: int) -> int:
        """Number of draws after which an epoch of the trainer ends.

        Args:
            batch: number of prompts of a loader batch.
        """

    def finish_step(self, step: int, position: int, outcomes: Sequence[Outcome]) -> None:  # noqa: B027  # optional
        """Update the state after a finished step.

        Args:
            step: number of finished steps.
            position: number of the next draw.
            outcomes: of every group scored for the step on any rank, in the order of the draws; empty unless
                ``needs_outcomes``.
        """

    def remarks(self) -> list[str]:
        """What a user should know of the samples that it is bound to, before a run."""
        return []

    def settings(self) -> dict[str, Any]:
        """The arguments that decide what is drawn; a run continues with equal ones only."""
        return {}

    def state_dict(self) -> dict[str, Any]:
        """The state, as plain data."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:  # noqa: B027  # optional
        """The inverse of ``state_dict``; call ``bind`` first."""


class EpochSelector(Selector):
    """Reads every sample once per epoch, in the shuffled order of the stream; has no state."""

    def __init__(self) -> None:
        self._stream: Stream | None = None

    def bind(self, stream: Stream) -> None:
        """Set the stream."""
        self._stream = stream

    @property
    def stream(self) -> Stream:
        """The stream that it is bound to."""
        if self._stream is None:
            raise RuntimeError("the selector has no stream: call bind first")
        return self._stream

    def locate(self, index: int) -> Place:
        """The place at an index of the stream's order."""
        return self.stream.order.locate(index)

    def shards_from(self, index: int) -> Iterator[int]:
        """The shards of the present window, and of later ones."""
        return self.stream.order.shards_from(index)

    def epoch(self, batch: int) -> int:  # noqa: ARG002  # other selectors end an epoch with a batch
        """The number of samples; those that do not fill a batch are left out of the epoch."""
        return len(self.stream)
