"""Credit that a judge gives."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from medix.judge import ExactJudge, Judge, ScriptedJudge
from medix.rewards import JudgeReward, PublishedAnswer, judged
from medix.types import JudgeQuestion, Status, Verdict
from tests.rewards.test_answer import batch_of
from tests.support.components import BATCH, GOOD, rows_of


class Later(Judge):
    """Asked in the background: verdicts come when the test says so."""

    identity = "later"  # type: ignore[assignment]

    def __init__(self) -> None:
        self.futures: dict[JudgeQuestion, Future[Verdict]] = {}
        self.submitted: list[str] = []

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        self.submitted.append(question.answer)
        self.futures[question] = Future()
        return self.futures[question]

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        self.submitted += [f"graded {question.answer}" for question in questions]
        return [Verdict(1.0, "later") for _ in questions]


def test_the_default_judge_is_exact() -> None:
    assert isinstance(JudgeReward().judge, ExactJudge)
    scores = JudgeReward().score(BATCH)
    assert scores.value.tolist() == [1, 0, 1, 0, 0, 0]  # row 2 by its alias


def test_without_an_answer_the_judge_is_not_asked_and_the_row_is_wrong() -> None:
    judge = ScriptedJudge()
    scores = JudgeReward(judge).score(rows_of(BATCH, [3, 4]))
    assert scores.value.tolist() == [0, 0]
    assert scores.status == (Status.SCORED, Status.SCORED)
    assert scores.verdicts == (None, None)
    assert judge.asked == []


def test_judge_timeout_is_unscored_not_wrong() -> None:
    scores = JudgeReward(ScriptedJudge(default=None)).score(rows_of(BATCH, [0]))
    assert scores.status == (Status.UNSCORED,)
    assert scores.reason == ("the scripted judge cannot be reached",)
    assert scores.verdicts[0] is not None


def test_the_same_question_is_asked_once_per_call() -> None:
    judge = ScriptedJudge()
    scores = JudgeReward(judge).score(rows_of(BATCH, [0, 0, 1, 0]))
    assert [question.answer for question in judge.asked] == ["smaller", "larger"]
    assert scores.value.tolist() == [1, 1, 1, 1]


def test_the_judge_is_told_question_reference_aliases_and_answer() -> None:
    judge = ScriptedJudge()
    JudgeReward(judge).score(rows_of(BATCH, [2]))
    assert judge.asked == [JudgeQuestion("What is it?", "myocardial infarction", "heart attack", ("heart attack",))]


def test_a_row_without_a_reference_is_unscored() -> None:
    scores = JudgeReward().score(batch_of(GOOD, " "))
    assert scores.status == (Status.UNSCORED,)
    assert "no reference" in scores.reason[0]


def test_equality_settles_only_by_the_published_rule() -> None:
    judge = ScriptedJudge(default="NO")
    assert JudgeReward(judge).score(batch_of(GOOD, "smaller")).value.tolist() == [0]
    assert len(judge.asked) == 1
    assert JudgeReward(judge, PublishedAnswer()).score(batch_of(GOOD, "smaller")).value.tolist() == [1]
    assert len(judge.asked) == 1


def test_what_was_started_is_not_asked_again_and_what_was_scored_is_forgotten() -> None:
    judge = Later()
    reward = JudgeReward(judge)
    reward.start(rows_of(BATCH, [0]))
    reward.start(rows_of(BATCH, [0, 3]))
    assert judge.submitted == ["smaller"]
    [future] = judge.futures.values()
    threading.Timer(0.05, future.set_result, [Verdict(0.0, "later")]).start()
    assert reward.score(rows_of(BATCH, [0, 1])).value.tolist() == [0, 1]
    assert judge.submitted == ["smaller", "graded larger"]
    reward.score(rows_of(BATCH, [0]))
    assert judge.submitted[-1] == "graded smaller"


def test_a_judge_that_computes_at_once_is_not_started_early() -> None:
    judge = ScriptedJudge()
    JudgeReward(judge).start(BATCH)
    assert judge.asked == []


def test_a_judge_that_raises_or_returns_too_few_is_unscored() -> None:
    class Broken(ScriptedJudge):
        def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
            raise OSError("disk full")

    class Short(ScriptedJudge):
        def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
            return []

    scores = JudgeReward(Broken()).score(rows_of(BATCH, [0, 3]))
    assert scores.status == (Status.UNSCORED, Status.SCORED)
    assert "OSError: disk full" in scores.reason[0]
    assert JudgeReward(Short()).score(rows_of(BATCH, [0])).status == (Status.UNSCORED,)


@pytest.mark.parametrize("credit", [4.0, -1.0, float("nan")])
def test_a_credit_outside_its_scale_is_unscored(credit: float) -> None:
    class Odd(ScriptedJudge):
        def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
            return [Verdict(credit, "odd") for _ in questions]

    assert JudgeReward(Odd()).score(rows_of(BATCH, [0])).status == (Status.UNSCORED,)


def test_a_judge_of_its_own_stays_unless_replaced() -> None:
    own, other = ScriptedJudge(), ScriptedJudge()
    reward = JudgeReward(own)
    reward.use_judge(other, replace=False)
    assert reward.judge is own
    reward.use_judge(other, replace=True)
    assert reward.judge is other
    bare = JudgeReward()
    bare.use_judge(own, replace=False)
    bare.use_judge(other, replace=False)
    assert bare.judge is own


def test_what_a_former_judge_was_asked_does_not_count_for_the_next() -> None:
    former, later = Later(), Later()
    reward = JudgeReward(former)
    reward.start(rows_of(BATCH, [0]))
    reward.use_judge(later, replace=True)
    [future] = former.futures.values()
    future.set_result(Verdict(0.0, "former"))
    assert reward.score(rows_of(BATCH, [0])).value.tolist() == [1]
    assert later.submitted == ["graded smaller"]


def test_a_question_that_fails_in_the_background_leaves_the_others_alone() -> None:
    judge = Later()
    reward = JudgeReward(judge)
    reward.start(rows_of(BATCH, [0, 1, 2]))
    failed, cancelled, fine = judge.futures.values()
    failed.set_exception(OSError("disk full"))
    cancelled.cancel()
    fine.set_result(Verdict(1.0, "later"))
    scores = reward.score(rows_of(BATCH, [0, 1, 2]))
    assert scores.status == (Status.UNSCORED, Status.UNSCORED, Status.SCORED)
    assert "OSError: disk full" in scores.reason[0]
    assert "cancelled before the verdict" in scores.reason[1]


def test_a_judge_that_cannot_be_asked_in_the_background_does_not_stop_the_rollout() -> None:
    class Refusing(Later):
        def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
            raise RuntimeError("no threads left")

    reward = JudgeReward(Refusing())
    reward.start(rows_of(BATCH, [0]))
    scores = reward.score(rows_of(BATCH, [0]))
    assert scores.status == (Status.UNSCORED,)
    assert "no threads left" in scores.reason[0]


def test_a_judge_that_falls_silent_is_given_up_and_its_rows_are_unscored() -> None:
    judge = Later()
    reward = JudgeReward(judge, patience=0.05)
    reward.start(rows_of(BATCH, [0, 1, 2]))
    list(judge.futures.values())[2].set_result(Verdict(1.0, "later"))
    start = time.perf_counter()
    scores = reward.score(rows_of(BATCH, [0, 1, 2]))
    assert time.perf_counter() - start < 120.0  # a patience of its own, not the 600 s of the default
    assert scores.status == (Status.UNSCORED, Status.UNSCORED, Status.SCORED)
    assert "nor any other, within 0.05 s" in scores.reason[0]
    assert all(future.cancelled() for future in list(judge.futures.values())[:2])


def test_a_slow_judge_is_awaited_for_as_long_as_verdicts_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three verdicts, the last asked for first; one arrives in each time of patience, so that the first waits three."""
    judge = Later()
    reward = JudgeReward(judge, patience=600.0)
    reward.start(rows_of(BATCH, [0, 1, 2]))
    outstanding = list(judge.futures.values())
    waits: list[float] = []

    def wait(futures: list[Future[Verdict]], timeout: float) -> Any:
        waits.append(timeout)
        outstanding.pop().set_result(Verdict(1.0, "later"))
        return SimpleNamespace(done={future for future in futures if future.done()})

    monkeypatch.setattr(judged, "wait", wait)
    assert reward.score(rows_of(BATCH, [0, 1, 2])).value.tolist() == [1, 1, 1]
    assert waits == [600.0] * 3


@pytest.mark.parametrize(
    ("given", "reason"),
    [(None, "a NoneType in place of a verdict"), ("YES", "a str in"), (Verdict(5.0, "later"), "a credit of 5.0")],
)
def test_what_is_no_verdict_is_unscored(given: object, reason: str) -> None:
    judge = Later()
    reward = JudgeReward(judge)
    reward.start(rows_of(BATCH, [0]))
    [future] = judge.futures.values()
    future.set_result(given)  # type: ignore[arg-type]  # foreign code
    scores = reward.score(rows_of(BATCH, [0]))
    assert scores.status == (Status.UNSCORED,)
    assert reason in scores.reason[0]
    assert scores.verdicts[0] is not None
    assert scores.verdicts[0].credit is None, "what is recorded is not scored either"


@pytest.mark.parametrize("patience", [0.0, -1.0, float("nan")])
def test_a_patience_that_is_no_time_is_refused(patience: float) -> None:
    with pytest.raises(ValueError, match=r"JudgeReward\.patience: .*give seconds above 0"):
        JudgeReward(patience=patience)


def test_a_child_forked_while_another_thread_asks_does_not_hang_nor_wait_for_what_its_parent_asked() -> None:
    judge = Later()
    reward = JudgeReward(judge)
    reward.start(BATCH)
    asked = list(judge.submitted)
    with reward._under_way._lock:  # as if a thread that is not in the child held it
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            reward.score(BATCH)
            os._exit(0 if judge.submitted == [*asked, *(f"graded {answer}" for answer in asked)] else 1)
    assert os.waitpid(child, 0)[1] == 0
