"""A component of a suite with its weight and its gate."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from medix.rewards.base import RewardComponent
from medix.weight_sum import check_sum


@dataclass(frozen=True)
class Gate:
    """A component earns 0 unless another one earns enough.

    Use it for a component that is easier to satisfy than another one with the same purpose: the embeddings of many
    wrong answers are close to the reference, so ``Gate("judge")`` on the embedding gives credit only where the judge
    says YES. A policy then cannot trade correctness for similarity.

    Gates can be chained: a gate compares what its component earns after that component's own gate, so that closing the
    first closes the second. Cyclic gates are refused.

    Args:
        component: name of the component that opens the gate; with weight 0 it has no other effect.
        at_least: what that component must earn for the gate to be open.
    """

    component: str
    at_least: float = 1.0


@dataclass(frozen=True)
class Weighted:
    """A component with its weight in the suite.

    Args:
        reward: the component.
        weight: its share of the total; with 0 it is only recorded. A penalty's weight is not part of the sum to 1.
        gate: condition under which it counts; it always counts if not given.
    """

    reward: RewardComponent
    weight: float
    gate: Gate | None = None


def check_weights(components: Mapping[str, Weighted], penalties: Mapping[str, Weighted]) -> None:
    """Check names, weights and gates of a suite.

    Raises:
        ValueError: names the component, the value and what to change.
    """
    weights = {name: entry.weight for name, entry in (*components.items(), *penalties.items())}
    if not components:
        raise ValueError("rewards.components: a suite needs at least one component")
    twice = components.keys() & penalties.keys()
    if twice:
        raise ValueError(f"rewards.penalties: {', '.join(sorted(twice))} is also the name of a component; rename it")
    for name, weight in weights.items():
        if name in {"", "total"} or set(name) & set("/."):
            raise ValueError(f"rewards.components: {name!r} cannot be a name; give one without / and ., and not total")
        if not (math.isfinite(weight) and weight >= 0):
            raise ValueError(f"rewards.components.{name}.weight: {weight} must be a number from 0 up")
    for name, entry in (*components.items(), *penalties.items()):
        if entry.gate is not None and (entry.gate.component not in weights or entry.gate.component == name):
            others = ", ".join(sorted(weights.keys() - {name}))
            raise ValueError(
                f"rewards.components.{name}.gate.component: {entry.gate.component!r} is not another component of "
                f"the suite; there are {others or 'none'}"
            )
    check_sum({name: entry.weight for name, entry in components.items()})
