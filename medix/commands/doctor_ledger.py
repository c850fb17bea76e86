"""What takes memory, when, and by which arithmetic."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from medix.commands.doctor_machine import gib


class Moment(StrEnum):
    """When memory is taken. What is always there comes on top of each of the others."""

    ALWAYS = "always"
    ROLLOUT = "the rollout"
    SCORING = "passes without gradient"
    UPDATE = "the update"


@dataclass(frozen=True)
class Need:
    """One thing that takes memory.

    Attributes:
        name: what it is.
        bytes: how much.
        how: the arithmetic, without its result.
        moment: when.
        lower: keys of the spec that make it smaller; empty if none does.
    """

    name: str
    bytes: float
    how: str
    moment: Moment
    lower: str = ""

    def line(self) -> str:
        """For people."""
        return f"{self.name}, {self.moment}: {self.how} = {gib(self.bytes)}"


@dataclass(frozen=True)
class Ledger:
    """The needs of one rank.

    Attributes:
        needs: in the order in which they are told.
    """

    needs: Sequence[Need]

    def at(self, moment: Moment) -> list[Need]:
        """What is there at that moment, the always present included."""
        return [need for need in self.needs if need.moment in (Moment.ALWAYS, moment)]

    def total(self, moment: Moment) -> float:
        """Bytes at that moment."""
        return sum(need.bytes for need in self.at(moment))

    @property
    def peak(self) -> Moment:
        """The moment that takes most."""
        return max((Moment.ROLLOUT, Moment.SCORING, Moment.UPDATE), key=self.total)

    def sum(self, moment: Moment) -> str:
        """The largest of what is there, in one line."""
        needs = sorted(self.at(moment), key=lambda need: -need.bytes)
        told = [need for need in needs if need.bytes >= self.total(moment) / 50] or needs[:1]
        rest = self.total(moment) - sum(need.bytes for need in told)
        parts = [f"{need.name} {gib(need.bytes)}" for need in told] + ([f"rest {gib(rest)}"] if rest else [])
        return " + ".join(parts)

    def remedy(self, moment: Moment) -> str:
        """What makes the largest parts smaller, largest first."""
        needs = sorted(self.at(moment), key=lambda need: -need.bytes)
        return "; or ".join(list(dict.fromkeys(need.lower for need in needs[:4] if need.lower))[:2])

    def lines(self) -> tuple[str, ...]:
        """All of it."""
        totals = [f"in all at {m}: {gib(self.total(m))}" for m in (Moment.ROLLOUT, Moment.SCORING, Moment.UPDATE)]
        return (*(need.line() for need in self.needs), *totals)
