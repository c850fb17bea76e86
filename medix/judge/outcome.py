"""What came of asking another judge: always a verdict, whatever that judge did.

Judges around judges ask through these functions. A judge is foreign code: it may raise, cancel, give too few verdicts
or something that is no verdict; each is an unscored verdict with its reason, and no wait is without a limit.
"""

import threading
from collections.abc import Sequence
from concurrent.futures import Future

from medix.judge.base import Judge
from medix.types import JudgeQuestion, Verdict


def unscored(judge: Judge, reason: str) -> Verdict:
    """No verdict, and why."""
    return Verdict(None, judge.identity, reason=reason)


def begun() -> "Future[Verdict]":
    """A future that several may wait for: none of them can cancel it."""
    future: Future[Verdict] = Future()
    future.set_running_or_notify_cancel()
    return future


def finished(verdict: Verdict) -> "Future[Verdict]":
    """A future whose verdict is there."""
    future = begun()
    future.set_result(verdict)
    return future


def submit(judge: Judge, question: JudgeQuestion) -> "Future[Verdict]":
    """``judge.submit`` that never raises."""
    try:
        return judge.submit(question)
    except Exception as error:  # noqa: BLE001 - a judge is foreign code; its failure is a reason
        return finished(unscored(judge, _failed(error)))


def grade(judge: Judge, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
    """``judge.grade`` that never raises and gives one verdict per question."""
    if not questions:
        return []
    try:
        verdicts = list(judge.grade(questions))
    except Exception as error:  # noqa: BLE001 - a judge is foreign code; its failure is a reason
        return [unscored(judge, _failed(error))] * len(questions)
    if len(verdicts) != len(questions):
        # which verdict belongs to which question cannot be told
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
    """Wait until all are done, or until none has become so for a time.

    Args:
        futures: what to wait for.
        patience: seconds without a single verdict after which the rest are given up.
    """
    # not concurrent.futures.wait: to it a future that was cancelled while pending is never done
    arrived = threading.Semaphore(0)
    for future in futures:
        future.add_done_callback(lambda _: arrived.release())
    for _ in futures:
        if not arrived.acquire(timeout=patience):
            return


def _failed(error: BaseException) -> str:
    return f"the judge failed: {type(error).__name__}: {error}"


def _verdict(judge: Judge, given: object) -> Verdict:
    if isinstance(given, Verdict):
        return given
    return unscored(judge, f"the judge gave a {type(given).__name__} in place of a verdict")
