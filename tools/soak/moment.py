"""When a process is to end."""

import json
import signal
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

PHASES = ("rollout", "reward", "old_logprobs", "update", "publish", "validation", "checkpoint")


@dataclass(frozen=True)
class Moment:
    """A signal in the middle of a phase.

    Attributes:
        phase: one of ``PHASES``.
        occurrence: the how-manieth of this phase since the process began, from 1.
        after: share of the phase's usual duration that passes before the signal, 0 to 1.
        signal: ``SIGKILL`` or ``SIGTERM``.
        rank: that gets it; None for all ranks, as a launcher does.
    """

    phase: str
    occurrence: int
    after: float
    signal: str
    rank: int | None

    @property
    def number(self) -> int:
        """Of the signal."""
        return signal.Signals[self.signal].value

    def write(self, path: Path) -> None:
        """For the process that is to end."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Moment":
        """The inverse of ``write``."""
        return cls(**json.loads(path.read_text()))


def moments(random: Random, ranks: int) -> Iterator[Moment]:
    """Without end; every phase is as frequent as any other, and every second signal is SIGKILL.

    A power cut takes all ranks at once, an out-of-memory killer one of them; a scheduler tells all ranks, a person one.
    """
    while True:
        for phase in random.sample(PHASES, len(PHASES)):
            for name in random.sample(("SIGKILL", "SIGTERM"), 2):
                rank = random.choice([None, *range(ranks)]) if ranks > 1 else None
                yield Moment(phase, random.randint(1, 3), random.random(), name, rank)
