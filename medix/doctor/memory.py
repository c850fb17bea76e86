"""Memory accounting: what is allocated, in which phases of a run, and how each number was computed."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from medix.doctor.machine import gib


class Phase(StrEnum):
    """When memory is allocated. What is always allocated adds to every other phase.

    An update has four phases, because what they allocate is not there at the same time: when the gradient reaches the
    layers, logits are freed, and each layer frees what it saved.
    """

    ALWAYS = "always"
    ROLLOUT = "rollout"
    NO_GRAD = "no-grad forward pass"
    LOSS = "head and loss"
    TEXT = "backward pass of the text layers"
    VISION = "backward pass of the image layers"
    STEP = "optimizer step"
    LOADING = "model loading"
    SAVING = "checkpoint saving"


PASSES = (Phase.LOSS, Phase.TEXT, Phase.VISION)
"""The forward and backward passes of an update."""


@dataclass(frozen=True)
class Allocation:
    """One thing that takes memory.

    Attributes:
        name: what it is.
        bytes: its size.
        formula: how the size was computed, without the result.
        phases: when it is allocated.
        reduced_by: keys of the spec that make it smaller; empty if there is none.
    """

    name: str
    bytes: float
    formula: str
    phases: tuple[Phase, ...]
    reduced_by: str = ""

    def line(self) -> str:
        """One line of arithmetic."""
        return f"{self.name}, {', '.join(self.phases)}: {self.formula} = {gib(self.bytes)}"


@dataclass(frozen=True)
class MemoryEstimate:
    """The allocations of one rank, or of all processes of one machine.

    Attributes:
        allocations: in the order in which they are printed.
    """

    allocations: Sequence[Allocation]

    def during(self, phase: Phase) -> list[Allocation]:
        """Allocations that are live in a phase, permanent ones included."""
        return [one for one in self.allocations if Phase.ALWAYS in one.phases or phase in one.phases]

    def total(self, phase: Phase) -> float:
        """Bytes in a phase."""
        return sum(allocation.bytes for allocation in self.during(phase))

    @property
    def phases(self) -> list[Phase]:
        """Phases with allocations of their own."""
        used = {phase for allocation in self.allocations for phase in allocation.phases}
        return [phase for phase in Phase if phase in used and phase is not Phase.ALWAYS]

    @property
    def peak(self) -> Phase:
        """The phase that needs most memory."""
        return max(self.phases, key=self.total, default=Phase.ALWAYS)

    def breakdown(self, phase: Phase) -> str:
        """The largest allocations of a phase, and the rest, in one line."""
        allocations = sorted(self.during(phase), key=lambda allocation: -allocation.bytes)
        large = [one for one in allocations if one.bytes >= self.total(phase) / 50] or allocations[:1]
        rest = self.total(phase) - sum(one.bytes for one in large)
        parts = [f"{one.name} {gib(one.bytes)}" for one in large] + ([f"rest {gib(rest)}"] if rest else [])
        return " + ".join(parts)

    def remedy(self, phase: Phase) -> str:
        """What reduces the largest allocations of a phase, largest first."""
        allocations = sorted(self.during(phase), key=lambda allocation: -allocation.bytes)
        return "; or ".join(list(dict.fromkeys(one.reduced_by for one in allocations[:4] if one.reduced_by))[:2])

    def lines(self) -> tuple[str, ...]:
        """All allocations, then the total of each phase."""
        totals = [f"total, {phase}: {gib(self.total(phase))}" for phase in self.phases]
        return (*(allocation.line() for allocation in self.allocations), *totals)
