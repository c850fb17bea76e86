"""Draws the groups of samples more often that are answered worst."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from medix.data.selectors.part import Label, Part
from medix.data.selectors.scored_mixture import Remembered, ScoredMixture
from medix.data.selectors.selector import Outcome
from medix.data.stream import Place, Stream


class WorstGroupSelector(ScoredMixture):
    """Multiplies the weights of a mixture by factors that grow where rewards are low.

    After each step the factor of every part that was scored in it is multiplied by exp(rate · (1 - r)), where r is the
    mean reward of its groups, and all factors are divided by their sum: the exponentiated gradient of group DRO
    (Sagawa et al., arXiv 1911.08731, Algorithm 1) with 1 - r as the loss. Two differences: samples are drawn by these
    factors and not weighted in the loss, so that a group that is drawn keeps its whole advantage; and the weight of a
    part is multiplied by (1 - floor) times its factor plus floor divided by the number of parts, so that no part is
    left out. At rate 0 it is the mixture.

    A part that cannot be learnt, such as one with wrong references, is drawn more and more often: the balance table of
    the report says how often, and ``floor`` what is left to the others.

    The state holds the logarithm of every factor, beside that of ``ScoredMixture``.

    Args:
        rate: how fast factors follow rewards.
        floor: share of the weights that is spread evenly over the parts.
        modality, source, dataset, by, exponent: as in ``MixtureSelector``; ``by`` or a weight must name an axis.
    """

    def __init__(
        self,
        rate: float = 0.1,
        floor: float = 0.2,
        modality: Mapping[str, float] | None = None,
        source: Mapping[str, float] | None = None,
        dataset: Mapping[str, float] | None = None,
        by: Sequence[str] = ("modality",),
        exponent: float = 0.0,
    ) -> None:
        super().__init__(modality, source, dataset, by, exponent)
        if not 0 <= rate < math.inf:
            raise ValueError(f"data.selector.rate: {rate}; give 0 or more")
        if not 0 < floor <= 1:
            raise ValueError(f"data.selector.floor: {floor}; give a share above 0, up to 1")
        if not self.axes:
            raise ValueError("data.selector.by: names no axis, so that all samples are one part; give modality, …")
        self.rate = rate
        self.floor = floor
        self._logs: dict[Label, float] = {}

    def bind(self, stream: Stream) -> None:
        """Split the stream; all parts have the same factor."""
        self._logs = {}
        super().bind(stream)

    def factors(self) -> dict[Label, float]:
        """The factor of each part; they sum to 1."""
        logs = {part.label: self._logs.get(part.label, 0.0) for part in self.parts}
        largest = max(logs.values())
        grown = {label: math.exp(log - largest) for label, log in logs.items()}
        total = math.fsum(grown.values())
        return {label: value / total for label, value in grown.items()}

    def weight(self, label: Label, step: int) -> float:
        """The weight of the mixture times that of the factor."""
        factor = (1 - self.floor) * self.factors()[label] + self.floor / len(self.parts)
        return super().weight(label, step) * factor

    def remembered(self, place: Place, part: Part) -> Remembered:  # noqa: ARG002  # of which part is enough
        """Its part."""
        return part.label

    def follow(self, scored: Sequence[tuple[Label, Outcome]]) -> None:
        """Follow the rewards of the step. Groups without a scored completion say nothing."""
        rewards: dict[Label, list[float]] = {}
        for label, outcome in scored:
            if math.isfinite(outcome.reward):
                rewards.setdefault(label, []).append(outcome.reward)
        for label, found in rewards.items():
            self._logs[label] = self._logs.get(label, 0.0) + self.rate * (1 - math.fsum(found) / len(found))

    def settings(self) -> dict[str, Any]:
        """Those of the mixture, rate and floor."""
        return super().settings() | {"rate": self.rate, "floor": self.floor}

    def state_dict(self) -> dict[str, Any]:
        """That of ``ScoredMixture``, with the logarithms of the factors."""
        return super().state_dict() | {"logs": [[*label, log] for label, log in sorted(self._logs.items())]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self._logs = {tuple(label): log for *label, log in state["logs"]}
        super().load_state_dict(state)
