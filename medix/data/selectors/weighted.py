"""Draws from several parts of the data by weight."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medix.data.selectors.part import Label, Part, parts_of
from medix.data.selectors.selector import Outcome, Selector
from medix.data.stream import Place, Stream, draws

_BLOCK = 1024
_MOST_OPEN = 256
"""Largest number of shards that are kept open: one file descriptor each."""


@dataclass
class _Walk:
    """Where the draws stand.

    Attributes:
        index: number of the next draw.
        cursors: by part, the number of its next sample.
        credits: by part, the draws that it is due; they sum to 0 between draws.
    """

    index: int
    cursors: list[int]
    credits: list[float]

    def copy(self) -> "_Walk":
        return replace(self, cursors=list(self.cursors), credits=list(self.credits))


class WeightedSelector(Selector):
    """Draws parts of the data in proportion to weights, and the samples of a part in a shuffled order of its own.

    The share of a part is its weight times its number of samples to the power ``exponent``, divided by the sum over all
    parts. Before each draw a part is credited its share; a part with positive credit is drawn with a probability in
    proportion to its credit, and debited one draw. At constant weights, the draws of a part therefore exceed its share
    of all draws by less than one, and fall short of it by less than (number of parts - 1). Within a part every sample
    is drawn once before any is drawn again.

    The state holds the number of the next draw, the cursor and the credit of every part.

    Args:
        exponent: 1 draws every sample of a part as often as its weight says; 0 draws parts of equal weight equally
            often, whatever their sizes; between, small parts are drawn more often than in proportion to their size.
    """

    leaves_rest = False

    def __init__(self, exponent: float = 1.0) -> None:
        if not 0 <= exponent <= 1:
            raise ValueError(f"data.selector.exponent: {exponent}; give a number from 0 to 1")
        self.exponent = exponent
        self.parts: list[Part] = []
        self._stream: Stream | None = None
        self._needed = 0
        self._step = 0
        self._shares: list[float] = []
        self._walk = _Walk(0, [], [])
        self._ahead = self._walk.copy()
        self._planned: list[Place] = []
        self._random = lru_cache(maxsize=4)(self._make_random)

    @abstractmethod
    def labels(self, stream: Stream) -> list[dict[Label, NDArray[np.intp]]]:
        """For every shard, the positions of each part among the samples selected from it."""

    @abstractmethod
    def weight(self, label: Label, step: int) -> float:
        """The weight of a part after a number of finished steps; 0 leaves it out."""

    def is_admitted(self, place: Place, number: int) -> bool:  # noqa: ARG002  # a hook
        """Whether a sample is drawn when its turn comes in a pass over its part; else the next one is.

        Args:
            place: of the sample.
            number: of the pass, from 0.
        """
        return True

    @property
    def stream(self) -> Stream:
        """The stream that it is bound to."""
        if self._stream is None:
            raise RuntimeError("the selector has no stream: call bind first")
        return self._stream

    def bind(self, stream: Stream) -> None:
        """Split the stream into parts.

        Raises:
            ValueError: the parts are not known, a weight names none of them, or all weights are 0.
        """
        self._stream = stream
        self.parts = parts_of(self.labels(stream), stream)
        self._needed = max(stream.shards.limit, sum(part.open_shards + 1 for part in self.parts))
        stream.shards.limit = min(_MOST_OPEN, self._needed)
        self._step = 0
        self._walk = _Walk(0, [0] * len(self.parts), [0.0] * len(self.parts))
        self._plan_again()

    def remarks(self) -> list[str]:
        """That more shards are read in turn than are kept open."""
        if self._needed <= _MOST_OPEN:
            return []
        return [
            f"data.selector reads {self._needed} shards in turn, {len(self.parts)} parts with up to data.window = "
            f"{self.stream.order.window} each, but {_MOST_OPEN} are kept open: the others are opened and indexed "
            "again for most of their samples, which is slow. Lower data.window, or split the samples into fewer parts"
        ]

    def shares(self, step: int) -> list[float]:
        """The share of each part in the draws after a number of finished steps.

        Raises:
            ValueError: a weight is negative or not finite, or all are 0.
        """
        weights = {part.label: self.weight(part.label, step) for part in self.parts}
        if any(not 0 <= weight < math.inf for weight in weights.values()) or not any(weights.values()):
            raise ValueError(f"data.selector: weights after step {step} are {weights}; give positive numbers, or 0")
        sizes = [weights[part.label] * len(part) ** self.exponent for part in self.parts]
        total = sum(sizes)
        return [size / total for size in sizes]

    def locate(self, index: int) -> Place:
        """The place of the sample that a draw reads; draws from the last finished step on are planned in order."""
        start = self._walk.index
        if index < start:
            raise IndexError(f"draw {index} of a selector that stands at draw {start}")
        while len(self._planned) <= index - start:
            self._planned.append(self._next(self._ahead)[0])
        return self._planned[index - start]

    def shards_from(self, index: int) -> Iterator[int]:  # noqa: ARG002  # planned draws are near enough
        """The shards of every part in turn."""
        streams = [
            part.shards_from(cursor)
            for part, cursor, share in zip(self.parts, self._ahead.cursors, self._shares, strict=True)
            if share
        ]
        while streams:
            for stream in list(streams):
                shard = next(stream, None)
                if shard is None:
                    streams.remove(stream)
                else:
                    yield shard

    def epoch(self, batch: int) -> int:
        """The number of samples rounded down to whole batches, so that no draw is passed over."""
        return len(self.stream) // batch * batch

    def finish_step(self, step: int, position: int, outcomes: Sequence[Outcome]) -> None:
        """Move to the next draw, then use what changes with the step."""
        while self._walk.index < position:
            index = self._walk.index
            self.drawn(index, *self._next(self._walk))
        self._step = step
        self.observe(position, outcomes)
        self._plan_again()

    def drawn(self, index: int, place: Place, part: Part) -> None:
        """A draw of the finished step; for selectors that tell outcomes of samples or parts apart."""

    def observe(self, position: int, outcomes: Sequence[Outcome]) -> None:
        """The outcomes of the finished step, after all of its draws."""

    def state_dict(self) -> dict[str, Any]:
        """Cursors and credits, with what identifies the parts that they belong to."""
        return {
            "step": self._step,
            "index": self._walk.index,
            "cursors": list(self._walk.cursors),
            "credits": list(self._walk.credits),
            "parts": [[*part.label, part.digest] for part in self.parts],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``.

        Raises:
            ValueError: the state belongs to other parts.
        """
        present = [[*part.label, part.digest] for part in self.parts]
        if state["parts"] != present:
            differing = [part for part in present if part not in state["parts"]] or state["parts"]
            raise ValueError(
                "data.selector: the checkpoint was written when the samples were split into other parts (such as "
                f"{'/'.join(differing[0][:-1])!r}): an index, or a file of records, has changed. Restore it, or start "
                "a new run"
            )
        self._step = state["step"]
        self._walk = _Walk(state["index"], list(state["cursors"]), list(state["credits"]))
        self._plan_again()

    def _plan_again(self) -> None:
        """Forget planned draws, and take the weights of the present step."""
        self._shares = self.shares(self._step)
        credit = self._walk.credits
        for number, share in enumerate(self._shares):
            if not share and credit[number]:  # of a part that was left out in this step: goes to the others
                left, credit[number] = credit[number], 0.0
                for other, other_share in enumerate(self._shares):
                    credit[other] += left * other_share
        self._planned = []
        self._ahead = self._walk.copy()

    def _next(self, walk: _Walk) -> tuple[Place, Part]:
        """Make one draw: what it reads, and of which part."""
        due = 0.0
        for number, share in enumerate(self._shares):
            if share:
                walk.credits[number] += share
                due += max(0.0, walk.credits[number])
        left = self._random(walk.index // _BLOCK)[walk.index % _BLOCK] * due
        chosen = -1
        for number, share in enumerate(self._shares):
            if share and walk.credits[number] > 0:
                chosen = number
                left -= walk.credits[number]
                if left < 0:
                    break
        walk.credits[chosen] -= 1.0
        walk.index += 1
        part = self.parts[chosen]
        while True:
            number, walk.cursors[chosen] = walk.cursors[chosen], walk.cursors[chosen] + 1
            place = part.locate(number)
            if self.is_admitted(place, number // len(part)):
                return place, part

    def _make_random(self, block: int) -> list[float]:
        """Numbers in [0, 1) of a block of draws."""
        found: list[float] = ((draws(_BLOCK, self.stream.order.seed, 3, block) >> np.uint64(11)) * 2.0**-53).tolist()
        return found


def check_names(given: Mapping[str, Mapping[str, float]], parts: Sequence[Part], axes: Sequence[str]) -> None:
    """Refuse names of weights that no sample has.

    Args:
        given: weights by axis and name.
        parts: all parts.
        axes: what the values of a label stand for.

    Raises:
        ValueError: names the axis, the name and the values that there are.
    """
    for axis, weights in given.items():
        known = {part.label[axes.index(axis)] for part in parts} if weights else set()
        if unknown := sorted(weights.keys() - known):
            raise ValueError(
                f"data.selector.{axis}: no training sample has {axis} {', '.join(unknown)}; available: "
                f"{', '.join(sorted(known))}"
            )
