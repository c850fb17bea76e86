"""Credit that a judge gives."""

import threading
from collections.abc import Sequence
from concurrent.futures import Future

from medix.judge.base import Judge
from medix.judge.exact import ExactJudge
from medix.rewards.answer import AnswerRule, StrictAnswer
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent, Unscored
from medix.rewards.held import Held
from medix.types import JudgeQuestion, Verdict

_NO_REFERENCE = Unscored("the row has no reference to grade against")


class JudgeReward(RewardComponent):
    """The judge's verdict: 1 for YES, 0 for NO (arXiv:2602.23363, R_llm).

    A completion without a valid answer is wrong and the judge is not asked. A verdict that is unscored, whatever the
    reason, is an unscored row and never a 0.

    Args:
        judge: who grades; the suite's judge if not given, and an ``ExactJudge`` if there is none either.
        answer_rule: what of the completion is graded; exactly one ``<answer>`` if not given.
    """

    def __init__(self, judge: Judge | None = None, answer_rule: AnswerRule | None = None) -> None:
        super().__init__()
        self._is_given = judge is not None
        self._judge: Held[Judge] = Held(judge or ExactJudge())
        self.answer_rule = answer_rule or StrictAnswer()
        self._under_way = _UnderWay()

    @property
    def judge(self) -> Judge:
        """Who grades."""
        return self._judge.value

    def use_judge(self, judge: Judge, *, replace: bool) -> None:
        """Take the suite's judge."""
        if replace or not self._is_given:
            self._judge, self._is_given = Held(judge), True

    def start(self, batch: RewardBatch) -> None:
        """Ask the judge without waiting; the same question is asked once until its row is scored."""
        if type(self.judge).submit is Judge.submit:
            return  # it computes here and now, and better all at once
        for question in self._questions(batch):
            if isinstance(question, JudgeQuestion):
                self._under_way.ask(self.judge, question)

    def score(self, batch: RewardBatch) -> ComponentScores:
        """The judge's credit; 0 without an answer; unscored where the judge came to no verdict."""
        rows = self._questions(batch)
        verdicts = self._verdicts(list(dict.fromkeys(row for row in rows if isinstance(row, JudgeQuestion))))
        values: list[float | Unscored] = []
        given: list[Verdict | None] = []
        for row in rows:
            verdict = verdicts[row] if isinstance(row, JudgeQuestion) else None
            given.append(verdict)
            if isinstance(row, float | Unscored):
                values.append(row)
            else:
                values.append(_credit(verdicts[row]))
        return ComponentScores.of(values, given)

    def _verdicts(self, questions: list[JudgeQuestion]) -> dict[JudgeQuestion, Verdict]:
        started = self._under_way.take(questions)
        rest = [question for question in questions if question not in started]
        try:
            graded = self.judge.grade(rest) if rest else []
            verdicts = dict(zip(rest, graded, strict=True))
            return verdicts | {question: future.result() for question, future in started.items()}
        except Exception as error:  # noqa: BLE001 - a judge is foreign code; its failure is a reason, not a zero
            reason = f"the judge failed: {type(error).__name__}: {error}"
            return {question: Verdict(None, self.judge.identity, reason=reason) for question in questions}

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


def _credit(verdict: Verdict) -> float | Unscored:
    if verdict.credit is None:
        return Unscored(verdict.reason or "the judge came to no verdict")
    if not 0 <= verdict.credit <= 1:
        return Unscored(f"the judge gave a credit of {verdict.credit}, which is not from 0 to 1")
    return verdict.credit


class _UnderWay:
    """Questions that were asked and whose verdicts were not taken; completions arrive from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: dict[JudgeQuestion, Future[Verdict]] = {}

    def ask(self, judge: Judge, question: JudgeQuestion) -> None:
        with self._lock:
            if question not in self._futures:
                self._futures[question] = judge.submit(question)

    def take(self, questions: Sequence[JudgeQuestion]) -> "dict[JudgeQuestion, Future[Verdict]]":
        """Those of the questions that were asked; they are no longer under way."""
        with self._lock:
            return {question: self._futures.pop(question) for question in questions if question in self._futures}

    def __reduce__(self) -> tuple[type["_UnderWay"], tuple[()]]:
        return _UnderWay, ()  # a copy has asked nothing
