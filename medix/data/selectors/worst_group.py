"""Draws the groups of samples more often that are answered worst."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from medix.data.selectors.part import Label, Part
from medix.data.selectors.scored_mixture import Remembered, ScoredMixture
from medix.data.selectors.selector import Outcome
from medix.data.stream import Place, Stream


class WorstGroupSelector(ScoredMixture):
    """Multiplies the weights of a mixture by factors that are large where rewards are low.

    The factor q of a part is exp(sharpness · (1 - m)), divided by the sum over the parts, where m is what is remembered
    of its rewards: of all shares that sum to 1, these make Σ q · (1 - m) - KL(q, uniform) / sharpness largest. Equal
    rewards give equal factors, and a reward that is 1 / sharpness lower a factor that is e times as large. A step in
    which k groups of a part are scored moves m by 1 - (1 - rate)^k of the way to the mean of their rewards, so that
    after k groups, of one step or of several, (1 - rate)^k of what was remembered is left: factors follow rewards that
    change, however long they were the same. A part begins with the mean
    of what is remembered of the others, in the first step with that of the rewards of the step.

    Group DRO (Sagawa et al., arXiv 1911.08731, Algorithm 1) has the same objective without the KL term: it multiplies
    the factor of the group of each example by exp(rate · loss), for ever. Three differences. Samples are drawn by these
    factors and not weighted in the loss, so that a group that is drawn keeps its whole advantage. Factors are computed
    from what is remembered and not multiplied on: where parts are drawn by factors that grow with every draw, the part
    that was drawn by chance is drawn more, whatever its rewards, and one that was worst for long stays on top when it
    is best. And the weight of a part is multiplied by (1 - floor) times its factor plus floor divided by the number of
    parts, so that no part is left out. At sharpness 0 it is the mixture.

    A part that cannot be learnt, such as one with wrong references, is drawn more often for good: the balance table of
    the report says how often, and ``floor`` what is left to the others.

    The state holds what is remembered of every part, beside that of ``ScoredMixture``.

    Args:
        sharpness: how much more often parts with lower rewards are drawn.
        rate: share of what is remembered that one scored group replaces; above 0, up to 1.
        floor: share of the weights that is spread evenly over the parts.
        modality, source, dataset, by, exponent: as in ``MixtureSelector``; ``by`` or a weight must name an axis.
    """

    def __init__(
        self,
        sharpness: float = 5.0,
        rate: float = 0.05,
        floor: float = 0.2,
        modality: Mapping[str, float] | None = None,
        source: Mapping[str, float] | None = None,
        dataset: Mapping[str, float] | None = None,
        by: Sequence[str] = ("modality",),
        exponent: float = 0.0,
    ) -> None:
        super().__init__(modality, source, dataset, by, exponent)
        if not 0 <= sharpness < math.inf:
            raise ValueError(f"data.selector.sharpness: {sharpness}; give 0 or more")
        if not 0 < rate <= 1:
            raise ValueError(f"data.selector.rate: {rate}; give a share above 0, up to 1")
        if not 0 < floor <= 1:
            raise ValueError(f"data.selector.floor: {floor}; give a share above 0, up to 1")
        if not self.axes:
            raise ValueError("data.selector.by: names no axis, so that all samples are one part; give modality, …")
        self.sharpness = sharpness
        self.rate = rate
        self.floor = floor
        self._rewards: dict[Label, float] = {}

    def bind(self, stream: Stream) -> None:
        """Split the stream; all parts have the same factor."""
        self._rewards = {}
        super().bind(stream)

    def factors(self) -> dict[Label, float]:
        """The factor of each part; they sum to 1."""
        mean = _mean(self._rewards.values()) if self._rewards else 0.0
        rewards = {part.label: self._rewards.get(part.label, mean) for part in self.parts}
        lowest = min(rewards.values())
        grown = {label: math.exp(self.sharpness * (lowest - reward)) for label, reward in rewards.items()}
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
        if not rewards:
            return
        start = _mean(self._rewards.values() if self._rewards else [one for found in rewards.values() for one in found])
        for label, found in rewards.items():
            before = self._rewards.get(label, start)
            self._rewards[label] = before + (1 - (1 - self.rate) ** len(found)) * (_mean(found) - before)

    def settings(self) -> dict[str, Any]:
        """Those of the mixture, sharpness, rate and floor."""
        return super().settings() | {"sharpness": self.sharpness, "rate": self.rate, "floor": self.floor}

    def state_dict(self) -> dict[str, Any]:
        """That of ``ScoredMixture``, with what is remembered of the rewards."""
        return super().state_dict() | {"rewards": [[*label, one] for label, one in sorted(self._rewards.items())]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self._rewards = {tuple(label): one for *label, one in state["rewards"]}
        super().load_state_dict(state)


def _mean(values: Collection[float]) -> float:
    return math.fsum(values) / len(values)
