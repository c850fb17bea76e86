"""Timings of the parts of one step."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from tools.bench_step.workload import median


@dataclass(frozen=True)
class Seconds:
    """Wall time of one step and of its parts.

    Attributes:
        generate: rendering prompts, processing images, sampling completions.
        reward: scoring.
        update: forward and backward passes, gradient clipping, optimiser.
        step: the whole step, including time between the parts.
        old: a pass without gradient over the same completions; not part of ``step``, because both trainers skip it if
            there is one update per sampling.
    """

    generate: float
    reward: float
    update: float
    step: float
    old: float = 0.0

    @classmethod
    def median(cls, steps: Sequence["Seconds"]) -> "Seconds":
        """The median of each part."""
        return cls(**{field.name: median([getattr(step, field.name) for step in steps]) for field in fields(cls)})

    def over(self, other: "Seconds") -> dict[str, float]:
        """Ratio of each part to that of another step."""
        mine, theirs = asdict(self), asdict(other)
        return {name: value / theirs[name] for name, value in mine.items() if theirs[name] > 0}
