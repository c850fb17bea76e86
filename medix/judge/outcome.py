"""Calls to another judge that always return verdicts.

Judges that wrap judges call them through these functions. The wrapped judge may be user code: if it raises, cancels,
returns too few verdicts, other objects or a credit outside 0 to 1, the result is an unscored verdict with its reason.
Every wait has a limit.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace

from medix.judge.base import Judge
from medix.types import JudgeQuestion, Verdict


def unscored(judge: Judge, reason: str) -> Verdict:
    """An unscored verdict with its reason."""
    return Verdict(None, judge.identity, reason=reason)


def pending() -> "Future[Verdict]":
    """A future without a result, which those who wait for it cannot cancel."""
    future: Future[Verdict] = Future()
    future.set_running_or_notify_cancel()
    return future


def finished(verdict: Verdict) -> "Future[Verdict]":
    """A future that already holds its verdict."""
    future = pending()
    future.set_result(verdict)
    return future


def submit(judge: Judge, question: JudgeQuestion) -> "Future[Verdict]":
    """``judge.submit`` that never raises."""
    try:
        return judge.submit(question)
    except Exception as error:  # noqa: BLE001 - the judge may be user code; its failure becomes the reason
        return finished(unscored(judge, _failed(error)))


def grade(judge: Judge, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
    """``judge.grade`` that never raises and returns one verdict per question."""
    if not questions:
        return []
    try:
        verdicts = list(judge.grade(questions))
    except Exception as error:  # noqa: BLE001 - the judge may be user code; its failure becomes the reason
        return [unscored(judge, _failed(error))] * len(questions)
    if len(verdicts) != len(questions):
        # it is unknown which verdict belongs to which question
        reason = f"the judge gave {len(verdicts)} verdicts on {len(questions)} questions"
        return [unscored(judge, reason)] * len(questions)
    return [_verdict(judge, verdict) for verdict in verdicts]


def verdict_of(judge: Judge, future: "Future[Verdict]") -> Verdict:
    """The verdict of a future that is done."""
    if future.cancelled():
        return unscored(judge, "the question was cancelled before the verdict")
    error = future.exception()
    return unscored(judge, _failed(error)) if error is not None else _verdict(judge, future.result())


def wait(futures: "Sequence[Future[Verdict]]", patience: float) -> None:
    """Wait until all are done, or until none completes for a while.

    Args:
        futures: to wait for.
        patience: seconds without any completion after which to return.
    """
    # not concurrent.futures.wait: it never counts a future that was cancelled while pending as done
    arrived = threading.Semaphore(0)
    for future in futures:
        future.add_done_callback(lambda _: arrived.release())
    for _ in futures:
        if not arrived.acquire(timeout=patience):
            return


def _failed(error: BaseException) -> str:
    return f"the judge failed: {type(error).__name__}: {error}"


def _verdict(judge: Judge, given: object) -> Verdict:
    if not isinstance(given, Verdict):
        return unscored(judge, f"the judge gave a {type(given).__name__} in place of a verdict")
    credit = given.credit
    if credit is None or (isinstance(credit, int | float) and 0 <= credit <= 1):
        return given
    reason = f"the judge gave a credit of {credit}, which is not from 0 to 1"
    return replace(given, credit=None, confidence=None, reason=reason)
