"""From what the components say to one number per row: weights, gates, penalties."""

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medix.rewards.base import ComponentScores
from medix.rewards.normalisation import Normalisation
from medix.rewards.weighted import Gate
from medix.types import Status


@dataclass(frozen=True)
class Earned:
    """What one component adds to the totals.

    Attributes:
        value: [N] float64, what each row earns behind the gate; 0 where it does not count.
        counts: [N], rows in which the component has a say.
        reason: per row, why it could not be scored; empty where it was, where it does not apply, and behind a closed
            gate, where it would earn nothing whatever it said.
    """

    value: Float[Tensor, " row"]
    counts: Bool[Tensor, " row"]
    reason: tuple[str, ...]


@dataclass(frozen=True)
class Totals:
    """One number per row.

    Attributes:
        total: [N] float64; NaN where unscored.
        reason: per row, why it is unscored; empty elsewhere.
        normalised: [N] float64, the total of normalised components; None without a normalisation.
    """

    total: Float[Tensor, " row"]
    reason: tuple[str, ...]
    normalised: Float[Tensor, " row"] | None


@dataclass(frozen=True)
class TotalRule:
    """How components become a total.

    The total of a row is the weighted mean of the components that apply to it, plus the weighted penalties. It is
    unscored if any of them that has a weight is.

    Attributes:
        weights: by component.
        penalties: weights by penalty.
        gates: by component or penalty, for those that have one.
        normalisation: applied to each component, not to penalties, before weighting.
    """

    weights: Mapping[str, float]
    penalties: Mapping[str, float]
    gates: Mapping[str, Gate]
    normalisation: Normalisation | None = None

    def __call__(self, scores: Mapping[str, ComponentScores], groups: Sequence[Hashable] | None, rows: int) -> Totals:
        """Totals of N rows.

        Args:
            scores: of every component and penalty.
            groups: the group of each row; only a normalisation needs them.
            rows: N.
        """
        weighted, applicable, penalty, normalised = torch.zeros(4, rows, dtype=torch.float64)
        reason = [""] * rows
        for name, weight in {**self.weights, **self.penalties}.items():
            if weight == 0:
                continue
            earned = self._earned(name, scores)
            reason = [
                first or f"{name}: {text}" if text else first for first, text in zip(reason, earned.reason, strict=True)
            ]
            if name in self.penalties:
                penalty += weight * earned.value
                continue
            weighted += weight * earned.value
            applicable += weight * earned.counts.to(torch.float64)
            if self.normalisation is not None and groups is not None:
                normalised += weight * self.normalisation(earned.value, earned.counts, groups)
        for row in (applicable == 0).nonzero().flatten().tolist():
            reason[row] = reason[row] or "no component with a weight applies to the row"
        unscored = torch.tensor([bool(text) for text in reason], dtype=torch.bool)
        total = torch.where(unscored, math.nan, weighted / applicable + penalty)
        if self.normalisation is None:
            return Totals(total, tuple(reason), None)
        return Totals(total, tuple(reason), torch.where(unscored, math.nan, normalised / applicable + penalty))

    def _earned(self, name: str, scores: Mapping[str, ComponentScores]) -> Earned:
        own, gate = scores[name], self.gates.get(name)
        counts = _is(own, Status.SCORED)
        value = torch.where(counts, own.value, 0.0)
        if gate is None:
            return Earned(value, counts, own.reason)
        opener = scores[gate.component]
        applies = ~_is(own, Status.NOT_APPLICABLE)
        closed = _is(opener, Status.SCORED) & (opener.value.nan_to_num(0.0) < gate.at_least) & applies
        undecided = _is(opener, Status.UNSCORED) & applies
        reason = [
            "" if is_closed else (f"its gate {gate.component} is unscored: {of_gate}" if is_undecided else text)
            for text, of_gate, is_closed, is_undecided in zip(
                own.reason, opener.reason, closed.tolist(), undecided.tolist(), strict=True
            )
        ]
        return Earned(torch.where(closed, 0.0, value), counts | closed, tuple(reason))


def _is(scores: ComponentScores, status: Status) -> Bool[Tensor, " row"]:
    return torch.tensor([entry is status for entry in scores.status], dtype=torch.bool)
