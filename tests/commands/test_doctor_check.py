"""Checks are run one after another, each with a limit, and none of them stops the others."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from medix.commands.doctor_check import Check, Finding, NotHereError, State, run_checks

NOBODY: Any = None  # a check that looks at nothing needs no subject


class Scripted(Check):
    name = "scripted"

    def __init__(self, *steps: str | Callable[[], None]) -> None:
        self.steps = steps

    def look(self, subject: Any) -> Iterator[Finding]:
        for step in self.steps:
            if callable(step):
                step()
            else:
                yield self.ok(step)


class Late(Scripted):
    late = State.PROBLEM


def raises(error: Exception) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step


def run(*checks: Check, seconds: float = 20.0) -> list[Finding]:
    return list(run_checks(checks, NOBODY, seconds))


def test_findings_come_in_the_order_of_checks_and_of_what_they_found() -> None:
    assert [one.found for one in run(Scripted("a", "b"), Scripted("c"))] == ["a", "b", "c"]


def test_a_check_that_fails_says_so_keeps_what_it_found_and_stops_nobody() -> None:
    first, failed, last = run(Scripted("a", raises(ZeroDivisionError("by zero"))), Scripted("b"))
    assert (first.found, last.found) == ("a", "b")
    assert failed.state is State.WARNING
    assert "the check itself failed: ZeroDivisionError: by zero" in failed.found


def test_what_is_not_here_is_a_warning_with_its_remedy() -> None:
    (finding,) = run(Scripted(raises(NotHereError("no weights", "fetch them"))))
    assert finding == Finding("scripted", State.WARNING, "not checked: no weights", "fetch them")


@pytest.mark.parametrize(("kind", "state"), [(Scripted, State.WARNING), (Late, State.PROBLEM)])
def test_a_check_that_hangs_ends_with_its_limit_and_keeps_what_it_found(kind: type[Scripted], state: State) -> None:
    go_on = threading.Event()
    begun = time.monotonic()
    try:
        found, late, after = run(kind("a", go_on.wait, "never"), Scripted("b"), seconds=0.2)
    finally:
        go_on.set()
    assert time.monotonic() - begun < 10
    assert (found.found, after.found) == ("a", "b")
    assert late.state is state
    assert "did not end within 0.2 s" in late.found
    assert "--time-limit" in late.remedy


def test_a_finding_is_plain_data() -> None:
    finding = Finding("memory", State.PROBLEM, "too little", "buy", ("1 + 1 = 2",))
    assert finding.to_dict() == {
        "check": "memory",
        "state": "problem",
        "found": "too little",
        "remedy": "buy",
        "arithmetic": ["1 + 1 = 2"],
    }
