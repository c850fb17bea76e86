"""Credit that a judge gives."""

import os
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait

from medix.judge.base import Judge
from medix.judge.exact import ExactJudge
from medix.rewards.answer import AnswerRule, StrictAnswer
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent, Unscored
from medix.rewards.held import Held
from medix.types import JudgeQuestion, Verdict

_NO_REFERENCE = Unscored("the row has no reference to grade against")
_PATIENCE = 600.0


class JudgedReward(RewardComponent):
    """What every component that asks a judge does: the same question once, begun early, a failure never a 0.

    A completion without a valid answer is wrong and the judge is not asked. A verdict that is unscored, whatever the
    reason, is an unscored row.

    Args:
        judge: who grades; rows stay unscored while there is none.
        answer_rule: what of the completion is graded; exactly one ``<answer>`` if not given.
        patience: seconds in which no verdict at all arrives, after which those still awaited are given up as unscored.
            Only questions that ``start`` began are awaited here; ``Judge.grade`` must keep to limits of its own.
    """

    def __init__(self, judge: Judge | None, answer_rule: AnswerRule | None, patience: float) -> None:
        super().__init__()
        if not patience > 0:
            raise ValueError(f"{type(self).__name__}.patience: {patience} is no time to wait; give seconds above 0")
        self._is_given = judge is not None
        self._judge: Held[Judge] | None = None if judge is None else Held(self._asked(judge))
        self.answer_rule = answer_rule or StrictAnswer()
        self.patience = patience
        self._under_way = _UnderWay()

    @property
    def judge(self) -> Judge | None:
        """Who grades; None if nobody does."""
        return None if self._judge is None else self._judge.value

    def use_judge(self, judge: Judge, *, replace: bool) -> None:
        """Take the suite's judge; what the former one was asked counts no more."""
        if replace or not self._is_given:
            self._judge, self._is_given = Held(self._asked(judge)), True
            self._under_way = _UnderWay()

    @abstractmethod
    def _asked(self, judge: Judge) -> Judge:
        """The judge as this component asks it."""

    def _no_judge(self) -> str:
        """Why rows are unscored when there is no judge."""
        return "no judge to ask; give the suite or the component one"

    def start(self, batch: RewardBatch) -> None:
        """Ask the judge without waiting; the same question is asked once until its row is scored."""
        judge = self.judge
        if judge is None or not judge.asks_ahead:
            return  # one that computes here and now does it better all at once
        for question in self._questions(batch):
            if isinstance(question, JudgeQuestion):
                self._under_way.ask(judge, question)

    def score(self, batch: RewardBatch) -> ComponentScores:
        """The judge's credit; 0 without an answer; unscored where the judge came to no verdict."""
        rows, judge = self._questions(batch), self.judge
        if judge is None:
            missing = Unscored(self._no_judge())
            return ComponentScores.of([missing if isinstance(row, JudgeQuestion) else row for row in rows])
        questions = list(dict.fromkeys(row for row in rows if isinstance(row, JudgeQuestion)))
        started = self._under_way.take(questions)
        verdicts = _graded(judge, [question for question in questions if question not in started])
        verdicts |= _arrived(judge, started, self.patience)
        given = [verdicts[row] if isinstance(row, JudgeQuestion) else None for row in rows]
        values: list[float | Unscored] = [
            _credit(verdicts[row]) if isinstance(row, JudgeQuestion) else row for row in rows
        ]
        return ComponentScores.of(values, given)

    def _questions(self, batch: RewardBatch) -> list[JudgeQuestion | float | Unscored]:
        """What to ask about each row, or its value where nothing need be asked."""
        rows: list[JudgeQuestion | float | Unscored] = []
        answers, references = self.answer_rule.answers(batch), self.answer_rule.references(batch)
        for question, answer, texts in zip(batch.questions, answers, references, strict=True):
            settled = None if answer is None or not texts else self.answer_rule.settled(answer, texts)
            if answer is None:
                rows.append(0.0)
            elif not texts:
                rows.append(_NO_REFERENCE)
            elif settled is not None:
                rows.append(settled)
            else:
                rows.append(JudgeQuestion(question, texts[0], answer, texts[1:]))
        return rows


class JudgeReward(JudgedReward):
    """The judge's verdict: 1 for YES, 0 for NO (arXiv:2602.23363, R_llm).

    Args:
        judge: who grades; the suite's judge if not given, and an ``ExactJudge`` if there is none either.
        answer_rule: what of the completion is graded; exactly one ``<answer>`` if not given.
        patience: seconds in which no verdict at all arrives, after which those still awaited are given up as unscored;
            keep it above the judge's own limit for one question.
    """

    def __init__(
        self, judge: Judge | None = None, answer_rule: AnswerRule | None = None, patience: float = _PATIENCE
    ) -> None:
        super().__init__(judge or ExactJudge(), answer_rule, patience)
        self._is_given = judge is not None

    def _asked(self, judge: Judge) -> Judge:
        return judge


def _credit(verdict: Verdict) -> float | Unscored:
    if verdict.credit is None:
        return Unscored(verdict.reason or "the judge came to no verdict")
    if not isinstance(verdict.credit, int | float) or not 0 <= verdict.credit <= 1:
        return Unscored(f"the judge gave a credit of {verdict.credit}, which is not from 0 to 1")
    return float(verdict.credit)


def _graded(judge: Judge, questions: list[JudgeQuestion]) -> dict[JudgeQuestion, Verdict]:
    """Verdicts that are asked for now."""
    if not questions:
        return {}
    try:
        verdicts = dict(zip(questions, judge.grade(questions), strict=True))
    except Exception as error:  # noqa: BLE001 - a judge is foreign code; its failure is a reason, not a zero
        return {question: _failure(judge, error) for question in questions}
    return {question: _verdict(judge, verdict) for question, verdict in verdicts.items()}


def _arrived(
    judge: Judge, started: "Mapping[JudgeQuestion, Future[Verdict]]", patience: float
) -> dict[JudgeQuestion, Verdict]:
    """Verdicts that were asked for earlier, waited for as long as any of them still arrive."""
    verdicts: dict[JudgeQuestion, Verdict] = {}
    arrived = sum(future.done() for future in started.values())
    is_waiting = True
    for question, future in started.items():
        while is_waiting and not future.done() and not wait([future], timeout=patience).done:
            # Others may have arrived while this one was waited for; only a judge gone silent is given up.
            now = sum(other.done() for other in started.values())
            is_waiting, arrived = now > arrived, now
        verdicts[question] = _result(judge, future, patience)
    return verdicts


def _result(judge: Judge, future: "Future[Verdict]", patience: float) -> Verdict:
    if not future.done():
        future.cancel()
        return Verdict(None, judge.identity, reason=f"no verdict from the judge, nor any other, within {patience:g} s")
    try:
        return _verdict(judge, future.result(timeout=0))
    except Exception as error:  # noqa: BLE001 - as above
        return _failure(judge, error)


def _verdict(judge: Judge, given: object) -> Verdict:
    return given if isinstance(given, Verdict) else _failure(judge, TypeError(f"{given!r:.100} is no verdict"))


def _failure(judge: Judge, error: BaseException) -> Verdict:
    return Verdict(None, judge.identity, reason=f"the judge failed: {type(error).__name__}: {error}")


class _UnderWay:
    """Questions that were asked and whose verdicts were not taken; completions arrive from any thread.

    A forked process begins with none: what its parent asked never arrives there.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[JudgeQuestion, Future[Verdict]] = {}
        self._pid = os.getpid()  # last: whoever sees it finds the rest renewed

    @property
    def _locked(self) -> threading.Lock:
        """The lock to hold, of this process: a thread of the parent's may hold the parent's for ever."""
        if self._pid != os.getpid():
            self._begin()
        return self._lock

    def ask(self, judge: Judge, question: JudgeQuestion) -> None:
        with self._locked:
            if question not in self._futures:
                self._futures[question] = _submitted(judge, question)

    def take(self, questions: Sequence[JudgeQuestion]) -> "dict[JudgeQuestion, Future[Verdict]]":
        """Those of the questions that were asked; they are no longer under way."""
        with self._locked:
            return {question: self._futures.pop(question) for question in questions if question in self._futures}

    def __reduce__(self) -> tuple[type["_UnderWay"], tuple[()]]:
        return _UnderWay, ()  # a copy has asked nothing


def _submitted(judge: Judge, question: JudgeQuestion) -> "Future[Verdict]":
    """A judge that cannot even be asked fails when its verdict is taken, not in the middle of a rollout."""
    try:
        return judge.submit(question)
    except Exception as error:  # noqa: BLE001 - a judge is foreign code
        failed: Future[Verdict] = Future()
        failed.set_exception(error)
        return failed
