"""What a check of ``medix doctor`` is: one method that yields findings, run with a time limit."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from medix.commands.doctor_subject import Subject


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
        state: whether a run can go on with it.
        found: what there is, with the key of the spec and its value where one is meant.
        remedy: what to do; empty where nothing is to be done.
        arithmetic: how numbers in it came about, one line each.
    """

    check: str
    state: State
    found: str
    remedy: str = ""
    arithmetic: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "state": self.state.value, "arithmetic": list(self.arithmetic)}


class NotHereError(Exception):
    """What a check needs is not on this machine, which is no fault of the spec.

    Args:
        reason: what is missing.
        remedy: how to get it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.remedy = remedy


class Check(ABC):
    """One thing that is looked at before a run.

    ``look`` yields findings as it comes to them. What is not on this machine it tells with ``NotHereError``; an error
    is reported as that of the check, and the others go on.
    """

    name: ClassVar[str]
    late: ClassVar[State] = State.WARNING
    """What it means that the check does not end in time."""

    @abstractmethod
    def look(self, subject: "Subject") -> Iterator[Finding]:
        """Compare the spec with the machine."""

    def ok(self, found: str) -> Finding:
        """Nothing is wrong."""
        return Finding(self.name, State.OK, found)

    def warning(self, found: str, remedy: str) -> Finding:
        """A run may go on, or go wrong."""
        return Finding(self.name, State.WARNING, found, remedy)

    def problem(self, found: str, remedy: str) -> Finding:
        """A run would stop, or not do what the spec says."""
        return Finding(self.name, State.PROBLEM, found, remedy)


def run_checks(checks: Sequence[Check], subject: "Subject", seconds: float) -> Iterator[Finding]:
    """Findings of all checks, in order.

    Args:
        checks: what to look at.
        subject: the spec and the machine.
        seconds: limit of one check; what it found until then counts.
    """
    for check in checks:
        yield from _run(check, subject, seconds)


def _run(check: Check, subject: "Subject", seconds: float) -> list[Finding]:
    found: list[Finding] = []

    def look() -> None:
        try:
            for finding in check.look(subject):
                found.append(finding)  # noqa: PERF402  # a check that is stopped has told what it knew
        except NotHereError as missing:
            found.append(check.warning(f"not checked: {missing}", missing.remedy))
        except Exception as error:  # noqa: BLE001  # whatever breaks in one check, the others are made and it is told
            text = f"the check itself failed: {type(error).__name__}: {error}"
            found.append(check.warning(text, "look at it by hand; if spec and machine are well, this is a fault here"))

    # A daemon: what waits for a server or a file system for ever must not keep the program from ending.
    thread = threading.Thread(target=look, name=f"doctor {check.name}", daemon=True)
    thread.start()
    thread.join(seconds)
    kept = list(found)
    if thread.is_alive():
        text = f"did not end within {seconds:g} s; what was found until then is listed"
        kept.append(Finding(check.name, check.late, text, "look at it by hand, or give a longer --time-limit"))
    return kept
