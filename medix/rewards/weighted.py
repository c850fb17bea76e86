"""A component's place in a suite: its weight, and what it depends on."""

from dataclasses import dataclass

from medix.rewards.base import RewardComponent


@dataclass(frozen=True)
class Gate:
    """A component earns nothing where another one says no.

    Use it where one component is easier to please than another that means the same: an encoder is near to many wrong
    answers, so ``Gate("judge")`` on the embedding gives its credit only where the judge says YES. A policy then cannot
    trade meaning for likeness.

    Gates follow each other: a component counts at another's gate with what it earns behind its own, so that what
    closes the first closes the second. Gates that wait for each other in a circle are refused.

    Args:
        component: the one that opens the gate, by its name in the suite; it may have weight 0 and only observe.
        at_least: what that component has to earn for the gate to be open.
    """

    component: str
    at_least: float = 1.0


@dataclass(frozen=True)
class Weighted:
    """A component with its weight in the suite.

    Args:
        reward: the component.
        weight: its share of the total; 0 only observes. A penalty's weight stands outside the sum to 1.
        gate: what must hold for it to count; it always counts if not given.
    """

    reward: RewardComponent
    weight: float
    gate: Gate | None = None
