"""Scores of N completions: totals and component scores."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from medix.rewards.base import ComponentScores
from medix.types import CompletionScores, ComponentScore, Status


@dataclass(frozen=True)
class RewardTable:
    """What ``RewardSuite.score`` returns.

    Attributes:
        total: [N] float64; NaN where unscored.
        status: N statuses of the totals.
        reason: why a total is unscored; empty elsewhere.
        components: scores per component, penalties included, before any gate or normalisation.
        normalised: [N] float64, used for advantages if the suite normalises; None otherwise.
        seconds: wall time of each component, which overlaps with the work of judges.
    """

    total: Float[Tensor, " row"]
    status: tuple[Status, ...]
    reason: tuple[str, ...]
    components: Mapping[str, ComponentScores]
    normalised: Float[Tensor, " row"] | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the components, penalties last."""
        return tuple(self.components)

    def __getitem__(self, name: str) -> ComponentScores:
        """Scores of one component.

        Raises:
            KeyError: a name the suite does not have.
        """
        if name not in self.components:
            raise KeyError(f"no component {name!r}; there are {', '.join(self.components)}")
        return self.components[name]

    def __len__(self) -> int:
        return len(self.status)

    def __iter__(self) -> Iterator[CompletionScores]:
        """Iterate over rows as ``CompletionScores``."""
        columns = {name: (scores, scores.value.tolist()) for name, scores in self.components.items()}
        normalised = [None] * len(self) if self.normalised is None else self.normalised.tolist()
        for row, (total, signal) in enumerate(zip(self.total.tolist(), normalised, strict=True)):
            cells = {name: _cell(*column, row) for name, column in columns.items()}
            yield CompletionScores(total, cells, signal)


def _cell(scores: ComponentScores, values: list[float], row: int) -> ComponentScore:
    verdict = scores.verdicts[row] if scores.verdicts else None
    left_out = bool(scores.left_out) and scores.left_out[row]
    return ComponentScore(values[row], scores.status[row], scores.reason[row], verdict, left_out)
