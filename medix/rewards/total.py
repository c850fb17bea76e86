"""Totals from component scores: weights, gates, penalties."""

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
    """The contribution of one component to the totals.

    Attributes:
        value: [N] float64, what each row earns after the gate; 0 where the component does not count.
        counts: [N], rows in which the component counts.
        reason: per row, why it could not be scored; empty where it was scored or does not apply, and where its gate is
            closed, since it then earns 0 in any case.
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
    """Computes totals from component scores.

    The total of a row is the weighted mean of the components that apply to it, plus the weighted penalties. It is
    unscored if any of these with a non-zero weight is. A gate compares what its component earns after that component's
    own gate. A row whose total is unscored is left out of the mean and spread of every component, even of those that
    were scored.

    Attributes:
        weights: by component.
        penalties: weights by penalty.
        gates: by component or penalty, for those that have one.
        normalisation: applied to each component, not to penalties, before weighting.

    Raises:
        ValueError: cyclic gates.
    """

    weights: Mapping[str, float]
    penalties: Mapping[str, float]
    gates: Mapping[str, Gate]
    normalisation: Normalisation | None = None

    def __post_init__(self) -> None:
        for name in self.gates:
            path = [name]
            while path[-1] in self.gates:
                path.append(self.gates[path[-1]].component)
                if path[-1] in path[:-1]:
                    circle = path[path.index(path[-1]) :]
                    raise ValueError(
                        f"rewards.components.{circle[0]}.gate.component: the gates form a cycle, "
                        f"{' -> '.join(circle)}; remove one of these gates"
                    )

    def __call__(self, scores: Mapping[str, ComponentScores], groups: Sequence[Hashable] | None, rows: int) -> Totals:
        """Totals of N rows.

        Args:
            scores: of every component and penalty.
            groups: a key per row, equal within a group; only a normalisation needs it.
            rows: N.
        """
        weighted, applicable, penalty = torch.zeros(3, rows, dtype=torch.float64)
        reason = [""] * rows
        found: dict[str, Earned] = {}
        for name, weight in {**self.weights, **self.penalties}.items():
            if weight == 0:
                continue
            earned = self._earned(name, scores, found)
            reason = [
                first or f"{name}: {text}" if text else first for first, text in zip(reason, earned.reason, strict=True)
            ]
            if name in self.penalties:
                penalty += weight * earned.value
                continue
            weighted += weight * earned.value
            applicable += weight * earned.counts.to(torch.float64)
        for row in (applicable == 0).nonzero().flatten().tolist():
            reason[row] = reason[row] or "no component with a weight applies to the row"
        unscored = torch.tensor([bool(text) for text in reason], dtype=torch.bool)
        total = torch.where(unscored, math.nan, weighted / applicable + penalty)
        if self.normalisation is None:
            return Totals(total, tuple(reason), None)
        normalised = self._normalised(self.normalisation, found, groups or (), ~unscored)
        return Totals(total, tuple(reason), torch.where(unscored, math.nan, normalised / applicable + penalty))

    def _normalised(
        self,
        normalisation: Normalisation,
        earned: Mapping[str, Earned],
        groups: Sequence[Hashable],
        scored: Bool[Tensor, " row"],
    ) -> Float[Tensor, " row"]:
        """[N] float64, the weighted sum of components normalised over the rows that have a total."""
        normalised = torch.zeros(len(scored), dtype=torch.float64)
        for name, weight in self.weights.items():
            if weight != 0:
                counts = earned[name].counts & scored
                normalised += weight * normalisation(torch.where(counts, earned[name].value, 0.0), counts, groups)
        return normalised

    def _earned(self, name: str, scores: Mapping[str, ComponentScores], found: dict[str, Earned]) -> Earned:
        """What a component earns, computed after the components of its chain of gates; ``found`` caches them."""
        if name not in found:
            gate = self.gates.get(name)
            if gate is None:
                counts = _is(scores[name], Status.SCORED)
                found[name] = Earned(torch.where(counts, scores[name].value, 0.0), counts, _reasons(scores[name]))
            else:
                found[name] = _behind(gate, scores[name], self._earned(gate.component, scores, found))
        return found[name]


def _behind(gate: Gate, own: ComponentScores, opener: Earned) -> Earned:
    """What a component with a gate earns."""
    counts, applies = _is(own, Status.SCORED), ~_is(own, Status.NOT_APPLICABLE)
    closed = opener.counts & (opener.value < gate.at_least) & applies
    undecided = torch.tensor([bool(text) for text in opener.reason], dtype=torch.bool) & applies
    reason = [
        "" if is_closed else (f"its gate {gate.component} is unscored: {of_gate}" if is_undecided else text)
        for text, of_gate, is_closed, is_undecided in zip(
            _reasons(own), opener.reason, closed.tolist(), undecided.tolist(), strict=True
        )
    ]
    return Earned(torch.where(closed, 0.0, own.value.where(counts, 0.0)), counts | closed, tuple(reason))


def _reasons(scores: ComponentScores) -> tuple[str, ...]:
    """Reasons per row, never empty for an unscored row."""
    return tuple(
        (text or "no reason was given") if status is Status.UNSCORED else ""
        for text, status in zip(scores.reason, scores.status, strict=True)
    )


def _is(scores: ComponentScores, status: Status) -> Bool[Tensor, " row"]:
    return torch.tensor([entry is status for entry in scores.status], dtype=torch.bool)
