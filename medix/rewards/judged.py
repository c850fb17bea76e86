"""Credit given by a judge."""

import os
import threading
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait

from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.exact import ExactJudge
from medix.judge.own_arguments import on_record
from medix.rewards.answer import AnswerRule, StrictAnswer
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent, Unscored
from medix.rewards.held import Held
from medix.types import JudgeQuestion, Verdict

_NO_REFERENCE = Unscored("the row has no reference to grade against")
_PATIENCE = 600.0


class JudgedReward(RewardComponent):
    """Base of the components that ask a judge. Equal questions are asked once, and as early as possible.

    A completion without a valid answer earns 0 without asking the judge. A row without a verdict, whatever the reason,
    is unscored.

    Args:
        judge: grades the answers; without one, rows are unscored.
        answer_rule: extracts the answer from the completion; exactly one ``<answer>`` if not given.
        patience: seconds without any verdict after which the outstanding ones are unscored. This applies to questions
            asked by ``start``; ``Judge.grade`` must have timeouts of its own.
    """

    def __init__(self, judge: Judge | None, answer_rule: AnswerRule | None, patience: float) -> None:
        super().__init__()
        if not patience > 0:
            raise ValueError(f"{type(self).__name__}.patience: {patience} is not a valid timeout; give seconds above 0")
        self._is_given = judge is not None
        self._judge: Held[Judge] | None = None if judge is None else Held(self._asked(judge))
        self.answer_rule = answer_rule or StrictAnswer()
        self.patience = patience
        self._under_way = _UnderWay()

    @property
    def judge(self) -> Judge | None:
        """The judge in use, if there is one."""
        return None if self._judge is None else self._judge.value

    def use_judge(self, judge: Judge, *, replace: bool) -> None:
        """Use the suite's judge; questions to the previous one are dropped."""
        if replace or not self._is_given:
            self._judge, self._is_given = Held(self._asked(judge)), True
            self._under_way = _UnderWay()

    @abstractmethod
    def _asked(self, judge: Judge) -> Judge:
        """The judge with this component's prompt."""

    def _no_judge(self) -> str:
        """Reason for unscored rows if there is no judge."""
        return "no judge to ask; give one to the suite or the component"

    def start(self, batch: RewardBatch) -> None:
        """Ask the judge without waiting; a question that is already under way is not asked again."""
        judge = self.judge
        if judge is None or not judge.asks_ahead:
            return  # a judge in this process is faster with all questions at once
        for question in self._questions(batch):
            if isinstance(question, JudgeQuestion):
                self._under_way.ask(judge, question)

    def score(self, batch: RewardBatch) -> ComponentScores:
        """The judge's credit; 0 without a valid answer; unscored without a verdict."""
        rows, judge = self._questions(batch), self.judge
        if judge is None:
            missing = Unscored(self._no_judge())
            return ComponentScores.of([missing if isinstance(row, JudgeQuestion) else row for row in rows])
        questions = list(dict.fromkeys(row for row in rows if isinstance(row, JudgeQuestion)))
        started = self._under_way.take(questions)
        others = [question for question in questions if question not in started]
        verdicts = dict(zip(others, outcome.grade(judge, others), strict=True))
        verdicts |= _arrived(judge, started, self.patience)
        verdicts = dict(zip(verdicts, on_record(judge, verdicts.values()), strict=True))
        given = [verdicts[row] if isinstance(row, JudgeQuestion) else None for row in rows]
        values: list[float | Unscored] = [
            _credit(verdicts[row]) if isinstance(row, JudgeQuestion) else row for row in rows
        ]
        return ComponentScores.of(values, given)

    def questions(self, batch: RewardBatch) -> list[JudgeQuestion | None]:
        """Per row, what the judge is asked, which depends on the answer rule; None if nothing."""
        return [row if isinstance(row, JudgeQuestion) else None for row in self._questions(batch)]

    def _questions(self, batch: RewardBatch) -> list[JudgeQuestion | float | Unscored]:
        """Per row, the question for the judge, or the row's value if none is needed."""
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
        judge: grades the answers; the suite's judge if not given, or an ``ExactJudge`` if the suite has none.
        answer_rule: extracts the answer from the completion; exactly one ``<answer>`` if not given.
        patience: seconds without any verdict after which the outstanding ones are unscored; set it higher than the
            judge's own timeout of one question.
    """

    def __init__(
        self, judge: Judge | None = None, answer_rule: AnswerRule | None = None, patience: float = _PATIENCE
    ) -> None:
        super().__init__(judge or ExactJudge(), answer_rule, patience)
        self._is_given = judge is not None

    def _asked(self, judge: Judge) -> Judge:
        return judge


def _credit(verdict: Verdict) -> float | Unscored:
    return Unscored(verdict.reason or "the judge gave no verdict") if verdict.credit is None else float(verdict.credit)


def _arrived(
    judge: Judge, started: "Mapping[JudgeQuestion, Future[Verdict]]", patience: float
) -> dict[JudgeQuestion, Verdict]:
    """Verdicts on questions asked by ``start``; waits as long as any of them still arrive."""
    verdicts: dict[JudgeQuestion, Verdict] = {}
    arrived = sum(future.done() for future in started.values())
    is_waiting = True
    for question, future in started.items():
        while is_waiting and not future.done() and not wait([future], timeout=patience).done:
            # Others may have arrived meanwhile; give up only if none did.
            now = sum(other.done() for other in started.values())
            is_waiting, arrived = now > arrived, now
        verdicts[question] = _result(judge, future, patience)
    return verdicts


def _result(judge: Judge, future: "Future[Verdict]", patience: float) -> Verdict:
    if future.done():
        return outcome.verdict_of(judge, future)
    future.cancel()
    return outcome.unscored(judge, f"no verdict from the judge, nor any other, within {patience:g} s")


class _UnderWay:
    """Questions under way, which may be added from any thread.

    A forked process starts without any, because it does not receive replies to its parent's questions.
    """

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[JudgeQuestion, Future[Verdict]] = {}
        self._pid = os.getpid()  # set last: a thread that reads the new value finds the other attributes renewed

    @property
    def _locked(self) -> threading.Lock:
        """The lock of this process; after a fork, the parent's could stay locked for ever."""
        if self._pid != os.getpid():
            self._begin()
        return self._lock

    def ask(self, judge: Judge, question: JudgeQuestion) -> None:
        with self._locked:
            if question not in self._futures:
                self._futures[question] = outcome.submit(judge, question)

    def take(self, questions: Sequence[JudgeQuestion]) -> "dict[JudgeQuestion, Future[Verdict]]":
        """Remove and return those of the questions that are under way."""
        with self._locked:
            return {question: self._futures.pop(question) for question in questions if question in self._futures}

    def __reduce__(self) -> tuple[type["_UnderWay"], tuple[()]]:
        return _UnderWay, ()  # a copy has asked nothing
