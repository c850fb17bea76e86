"""What ``medix doctor`` reports: findings, each with a state and a remedy."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """What a finding means for a run."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """One row of the table.

    Attributes:
        check: name of the check.
        state: whether the run would work.
        found: what was found, with the spec's key and value where there is one.
        remedy: what to do; empty if nothing has to be done.
        arithmetic: how the numbers were computed, one line each.
    """

    check: str
    state: State
    found: str
    remedy: str = ""
    arithmetic: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as it is written to JSON."""
        return {**asdict(self), "state": self.state.value, "arithmetic": list(self.arithmetic)}


class UnavailableError(Exception):
    """Something that a check needs is not available on this machine; the spec itself may be fine.

    Args:
        reason: what is missing.
        remedy: how to get it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy
