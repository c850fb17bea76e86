"""The state of a run at its last finished step, to which it goes back when the work after it is abandoned."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from medix import stop_signal
from medix.modules.random_states import random_states, restore_random_states
from medix.modules.rollouts import Rollouts
from medix.rollout.buffer import GroupBuffer
from medix.stop_signal import StopRequested
from medix.types import ScoredGroup


class _Run(Protocol):
    """What changes in a module between a finished step and the next update."""

    position: int
    buffer: GroupBuffer
    rollouts: Rollouts


if TYPE_CHECKING:
    Run = _Run
else:
    Run = Any  # the run-time type checks of the tests cannot look into a module, as in medix.modules.update


@dataclass(frozen=True)
class LastStep:
    """References to it, no copies: weights, optimiser, counters and publishes change in an update alone.

    Attributes:
        position: of the data.
        groups: that wait in the buffer.
        ahead: sampled ahead.
        random: states of the generators that dropout and libraries draw from.
    """

    position: int
    groups: tuple[ScoredGroup, ...]
    ahead: Any
    random: dict[str, Any]

    @classmethod
    def of(cls, run: Run, random: dict[str, Any] | None = None) -> "LastStep":
        """The present state of a run that has just finished a step, or begun.

        Args:
            run: the module.
            random: states of the generators that are not restored yet; None takes the present ones.
        """
        return cls(run.position, tuple(run.buffer), run.rollouts.held(), random or random_states())

    def restore(self, run: Run) -> None:
        """Make it the state of the run again."""
        run.position = self.position
        run.buffer.replace(list(self.groups))
        run.rollouts.hold(self.ahead)
        restore_random_states(self.random)

    @contextmanager
    def shown(self, run: Run) -> Iterator[None]:
        """Inside, it is the state of a run that may be in the middle of a step.

        A checkpoint of the middle would not fit the selector of the data, which is told what became of the draws of a
        step when that is finished.
        """
        if run.position == self.position:
            yield
            return
        present = LastStep.of(run)
        self.restore(run)
        try:
            yield
        finally:
            present.restore(run)


def rewound_by_a_signal(step: Callable[..., None]) -> Callable[..., None]:
    """Decorate a ``training_step``: where a signal abandons it, on all ranks, the module is rewound.

    No step begins once the run is to end, nor where it was complete when it was resumed.
    """

    @functools.wraps(step)
    def whole(module: Any, *arguments: Any) -> None:
        if stop_signal.is_agreed() or module.step >= module.max_steps:
            module.rewind()
            return
        try:
            step(module, *arguments)
        except StopRequested:
            stop_signal.agree()
            module.rewind()

    return whole
