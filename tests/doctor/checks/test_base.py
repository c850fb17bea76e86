"""Checks run one after another, each with a time limit, and none of them stops the others."""

import threading
from collections.abc import Callable, Iterator
from unittest.mock import Mock

import pytest

from medix.doctor.checks.base import Check, run_checks
from medix.doctor.findings import Finding, State, UnavailableError
from medix.doctor.subject import Subject

SUBJECT: Subject = Mock(spec=Subject)  # the scripted checks do not look at it


class Scripted(Check):
    name = "scripted"

    def __init__(self, *steps: str | Callable[[], None]) -> None:
        self.steps = steps

    def look(self, subject: Subject) -> Iterator[Finding]:
        for step in self.steps:
            if callable(step):
                step()
            else:
                yield self.ok(step)


class ProblemOnTimeout(Scripted):
    state_on_timeout = State.PROBLEM


def raises(error: Exception) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step


def run(*checks: Check, seconds: float = 120.0) -> list[Finding]:
    return list(run_checks(checks, SUBJECT, seconds))


def test_findings_come_in_the_order_of_checks_and_of_what_they_found() -> None:
    assert [one.found for one in run(Scripted("a", "b"), Scripted("c"))] == ["a", "b", "c"]


def test_a_check_that_fails_is_reported_keeps_its_findings_and_stops_no_other() -> None:
    first, failed, last = run(Scripted("a", raises(ZeroDivisionError("by zero"))), Scripted("b"))
    assert (first.found, last.found) == ("a", "b")
    assert failed.state is State.WARNING
    assert "the check itself failed: ZeroDivisionError: by zero" in failed.found


def test_what_is_unavailable_is_a_warning_with_its_remedy() -> None:
    (finding,) = run(Scripted(raises(UnavailableError("no weights", "fetch them"))))
    assert finding == Finding("scripted", State.WARNING, "not checked: no weights", "fetch them")


@pytest.mark.parametrize(("kind", "state"), [(Scripted, State.WARNING), (ProblemOnTimeout, State.PROBLEM)])
def test_a_check_that_hangs_ends_at_its_time_limit_and_keeps_its_findings(kind: type[Scripted], state: State) -> None:
    go_on = threading.Event()
    try:
        found, timed_out, after = run(kind("a", go_on.wait, "never"), Scripted("b"), seconds=2.0)
    finally:
        go_on.set()
    assert (found.found, after.found) == ("a", "b")
    assert timed_out.state is state
    assert "did not finish within 2 s" in timed_out.found
    assert "--time-limit" in timed_out.remedy
