"""What the parts of one step took."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from tools.bench_step.workload import median


@dataclass(frozen=True)
class Seconds:
    """Wall time of one step and of its parts.

    Attributes:
        generate: prompts rendered, images processed, completions sampled.
        reward: scores.
        update: forward and backward passes, clipping, the optimiser.
        step: all of it, what stands between the parts included.
        old: a pass without gradient over the same completions; not a part of ``step``, since both trainers leave it
            out where one update follows the sampling.
    """

    generate: float
    reward: float
    update: float
    step: float
    old: float = 0.0

    @classmethod
    def median(cls, steps: Sequence["Seconds"]) -> "Seconds":
        """The median of each part on its own."""
        return cls(**{field.name: median([getattr(step, field.name) for step in steps]) for field in fields(cls)})

    def over(self, other: "Seconds") -> dict[str, float]:
        """How many times as long as another."""
        mine, theirs = asdict(self), asdict(other)
        return {name: value / theirs[name] for name, value in mine.items() if theirs[name] > 0}
