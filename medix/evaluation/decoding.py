"""How the completions of an evaluation are drawn."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Decoding:
    """Decoding of an evaluation: greedy with one completion of each item, sampled with several.

    Importing it loads no model library, unlike ``medix.rollout.Sampling``.

    Attributes:
        samples: K completions of each item.
        temperature: 0 is greedy.
        top_p: probability of the nucleus; 1 keeps every token.
        top_k: number of most likely tokens kept; 0 keeps every token.
        max_tokens: longest completion.
        seed: of the random numbers, with item and completion.
        stop: texts that end a completion, which includes them.
    """

    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    max_tokens: int = 2048
    seed: int = 1
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.temperature >= 0:
            raise ValueError(f"--temperature {self.temperature}: give 0 (greedy) or more")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"--top-p {self.top_p}: give more than 0, at most 1")
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(f"--samples {self.samples} at temperature 0 would all be the same; give --temperature")

    def to_dict(self) -> dict[str, Any]:
        """What a completion depends on, as plain data."""
        found = {**asdict(self), "stop": list(self.stop)}
        del found["samples"]
        return found
