"""The interface of the doctor's checks, and how they are run: one after another, each with a time limit."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import ClassVar

from medix.doctor.findings import Finding, State, UnavailableError
from medix.doctor.subject import Subject


class Check(ABC):
    """One aspect of a run that is checked before it starts.

    ``look`` yields findings as it makes them. It raises ``UnavailableError`` if something it needs is not on this
    machine. Any other exception is reported as a failure of the check itself; the remaining checks still run.
    """

    name: ClassVar[str]
    state_on_timeout: ClassVar[State] = State.WARNING
    """What it means for the run that the check did not finish within its time limit."""

    @abstractmethod
    def look(self, subject: Subject) -> Iterator[Finding]:
        """Compare the spec with the machine."""

    def ok(self, found: str) -> Finding:
        """Nothing is wrong."""
        return Finding(self.name, State.OK, found)

    def warning(self, found: str, remedy: str) -> Finding:
        """The run may work or may fail."""
        return Finding(self.name, State.WARNING, found, remedy)

    def problem(self, found: str, remedy: str) -> Finding:
        """The run would fail, or would not do what the spec says."""
        return Finding(self.name, State.PROBLEM, found, remedy)


def run_checks(checks: Sequence[Check], subject: Subject, seconds: float) -> Iterator[Finding]:
    """Findings of all checks, in order.

    Args:
        checks: the checks to run.
        subject: the spec and the machine.
        seconds: time limit of each check; findings made before it count.
    """
    for check in checks:
        yield from _run(check, subject, seconds)


def _run(check: Check, subject: Subject, seconds: float) -> list[Finding]:
    findings: list[Finding] = []

    def look() -> None:
        try:
            for finding in check.look(subject):
                findings.append(finding)  # noqa: PERF402  # findings made before the time limit must be kept
        except UnavailableError as missing:
            findings.append(check.warning(f"not checked: {missing}", missing.remedy))
        except Exception as error:  # noqa: BLE001  # a failing check is reported and must not stop the others
            text = f"the check itself failed: {type(error).__name__}: {error}"
            remedy = "check this by hand; if the spec and the machine are fine, this is a bug in medix doctor"
            findings.append(check.warning(text, remedy))

    # A daemon thread, so that a check that hangs on a server or a file system does not keep the process alive.
    thread = threading.Thread(target=look, name=f"doctor {check.name}", daemon=True)
    thread.start()
    thread.join(seconds)
    kept = list(findings)
    if thread.is_alive():
        text = f"did not finish within {seconds:g} s; findings made until then are listed"
        kept.append(Finding(check.name, check.state_on_timeout, text, "check this by hand, or raise --time-limit"))
    return kept
