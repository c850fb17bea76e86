"""Whatever a judge does, what comes of it is a verdict."""

import threading
import time
from concurrent.futures import Future

import pytest

from medix.judge import outcome
from medix.types import Verdict
from tests.support.asked import FAULTS, Counting, Later, TooFew, question


def test_a_judge_that_computes_here_is_told_from_one_that_is_asked_ahead() -> None:
    assert Later().asks_ahead
    assert not Counting().asks_ahead


def test_verdicts_of_a_whole_judge_pass_unchanged() -> None:
    judge = Counting(0.25)
    [verdict] = outcome.grade(judge, [question()])
    assert verdict == Verdict(0.25, "counting")
    assert outcome.submit(judge, question()).result() == verdict


def test_nothing_asked_is_no_call() -> None:
    judge = Counting()
    assert outcome.grade(judge, []) == []
    assert judge.calls == []


def test_one_who_waits_cannot_cancel_for_the_others() -> None:
    future = outcome.pending()
    assert not future.cancel()
    future.set_result(Verdict(1.0, "j"))
    assert future.result().credit == 1.0


def test_waiting_ends_when_all_are_done() -> None:
    futures = [outcome.pending(), outcome.pending()]
    timer = threading.Timer(0.05, lambda: [future.set_result(Verdict(1.0, "j")) for future in futures])
    timer.start()
    outcome.wait(futures, patience=10.0)
    timer.join()
    assert all(future.done() for future in futures)


def test_waiting_goes_on_while_verdicts_arrive_and_stops_when_none_does() -> None:
    """One verdict each 0.3 s against a patience of 1 s: all five are waited for, the one that never comes is not."""
    late = [outcome.pending() for _ in range(5)]
    never = outcome.pending()

    def arrive() -> None:
        for future in late:
            time.sleep(0.3)
            future.set_result(Verdict(1.0, "j"))

    thread = threading.Thread(target=arrive)
    thread.start()
    start = time.perf_counter()
    outcome.wait([never, *late], patience=1.0)
    thread.join()
    assert all(future.done() for future in late)
    assert not never.done()
    assert 2.4 < time.perf_counter() - start < 120


@pytest.mark.parametrize(("kind", "reason"), FAULTS)
def test_every_fault_is_an_unscored_verdict_with_its_reason(kind: type[Counting], reason: str) -> None:
    judge = kind()
    asked = [question("a"), question("b"), question("c")]
    if judge.asks_ahead:
        verdicts = [outcome.verdict_of(judge, outcome.submit(judge, one)) for one in asked]
    else:
        verdicts = outcome.grade(judge, asked)
    assert [verdict.credit for verdict in verdicts] == [None] * 3
    assert all(reason in verdict.reason for verdict in verdicts)
    assert all(verdict.judge == "counting" for verdict in verdicts)


def test_a_plain_judge_that_gives_nothing_fails_when_submitted_to() -> None:
    verdict = outcome.submit(TooFew(), question()).result()
    assert "IndexError" in verdict.reason


def test_what_is_no_verdict_is_no_verdict() -> None:
    future: Future[object] = Future()
    future.set_result(1.0)
    verdict = outcome.verdict_of(Counting(), future)  # type: ignore[arg-type]
    assert verdict.credit is None
    assert "a float in place of a verdict" in verdict.reason


@pytest.mark.parametrize("credit", [5.0, -0.5, float("nan"), float("inf"), "YES"])
def test_a_credit_off_the_scale_is_no_credit(credit: object) -> None:
    [verdict] = outcome.grade(Counting(credit), [question()])  # type: ignore[arg-type]
    assert (verdict.credit, verdict.judge) == (None, "counting")
    assert f"a credit of {credit}, which is not from 0 to 1" in verdict.reason
