"""A mixture whose draws follow what became of the groups that it drew."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from medix.data.selectors.mixture import MixtureSelector
from medix.data.selectors.part import Part
from medix.data.selectors.selector import Outcome
from medix.data.stream import Place, Stream

Remembered = tuple[int | str, ...]
"""What a selector knows of a draw: the sample, or its part. Plain values, for the checkpoint."""


class ScoredMixture(MixtureSelector):
    """Remembers something of every draw until its group is scored; see ``MixtureSelector`` for the arguments.

    Draws of which nothing was heard in a step and the next, such as prompts that were too long, are forgotten. The
    state holds the draws that are not scored yet, beside that of the mixture.
    """

    changes_with_steps = True
    needs_outcomes = True

    _pending: dict[int, Remembered]
    _oldest: int

    @abstractmethod
    def remembered(self, place: Place, part: Part) -> Remembered:
        """What is remembered of a draw."""

    @abstractmethod
    def follow(self, scored: Sequence[tuple[Any, Outcome]]) -> None:
        """Use what became of the groups of a step.

        Args:
            scored: what was remembered of each draw, and what became of its group.
        """

    def bind(self, stream: Stream) -> None:
        """Split the stream; no draw is remembered."""
        self._pending, self._oldest = {}, 0
        super().bind(stream)

    def drawn(self, index: int, place: Place, part: Part) -> None:
        """Remember a draw."""
        self._pending[index] = self.remembered(place, part)

    def observe(self, position: int, outcomes: Sequence[Outcome]) -> None:
        """Tell the subclass of the groups of the step."""
        known = [one for one in outcomes if one.draw in self._pending]
        self.follow([(self._pending.pop(one.draw), one) for one in known])
        self._pending = {index: value for index, value in self._pending.items() if index >= self._oldest}
        self._oldest = position

    def state_dict(self) -> dict[str, Any]:
        """The state of the mixture, with the draws whose groups are not scored yet."""
        return super().state_dict() | {
            "pending": [[index, *value] for index, value in sorted(self._pending.items())],
            "oldest": self._oldest,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self._pending = {index: tuple(value) for index, *value in state["pending"]}
        self._oldest = state["oldest"]
        super().load_state_dict(state)
