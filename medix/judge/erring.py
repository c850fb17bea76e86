"""A judge of known error, for studies of what a judge's errors do to training and to measured accuracy."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from medix.judge import outcome
from medix.judge.base import Judge
from medix.types import JudgeQuestion, Verdict


class ErringJudge(Judge):
    """Another judge, whose verdicts are turned round with stated probabilities.

    Whether a verdict is turned is a function of the seed, the question, the reference and the answer: the same answer
    always gets the same verdict, as from a judge at temperature 0, and the order of questions does not matter. An
    unscored verdict, and a credit between 0 and 1, stay as they are.

    Args:
        judge: gives the verdicts that are taken for the truth.
        sensitivity: share of the accepted answers that stay accepted, from 0 to 1.
        specificity: share of the refused answers that stay refused, from 0 to 1.
        seed: of the errors.
    """

    def __init__(self, judge: Judge, sensitivity: float = 0.9, specificity: float = 0.9, seed: int = 0) -> None:
        for name, value in (("sensitivity", sensitivity), ("specificity", specificity)):
            if not 0 <= value <= 1:
                raise ValueError(f"ErringJudge.{name}: {value} is not a share; give a number from 0 to 1")
        self.judge = judge
        self.sensitivity = sensitivity
        self.specificity = specificity
        self.seed = seed

    @property
    def identity(self) -> str:
        """``erring(JUDGE, sensitivity, specificity, seed)``."""
        return f"erring({self.judge.identity}, {self.sensitivity:g}, {self.specificity:g}, {self.seed})"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """One verdict per question, with the errors."""
        verdicts = outcome.grade(self.judge, questions)
        return [self._erring(question, verdict) for question, verdict in zip(questions, verdicts, strict=True)]

    def close(self) -> None:
        """Close the judge that it asks."""
        self.judge.close()

    def _erring(self, question: JudgeQuestion, verdict: Verdict) -> Verdict:
        verdict = replace(verdict, judge=self.identity)
        if verdict.credit not in (0.0, 1.0):
            return verdict
        text = json.dumps([self.seed, question.question, question.reference, question.answer])
        draw = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64
        if draw < (self.sensitivity if verdict.credit else self.specificity):
            return verdict
        credit = 1 - verdict.credit
        return replace(
            verdict, credit=credit, reply="YES" if credit else "NO", explanation=f"turned round ({verdict.explanation})"
        )
