"""Verdicts of a judge on answers that people have judged."""

from collections.abc import Callable, Sequence

from medix.evaluation.label_agreement import LabelAgreement
from medix.evaluation.labels import Label
from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.own_arguments import named

CHUNK = 256
"""Answers that are asked about at once, after which progress is reported."""


def judge_labels(judge: Judge, labels: Sequence[Label], advance: Callable[[int], None]) -> LabelAgreement:
    """Ask a judge about every answer; a grade of at least half of full credit accepts it.

    Args:
        judge: asked in chunks of ``CHUNK``.
        labels: the answers.
        advance: called with the number of answers graded since the last call.
    """
    accepted: list[bool | None] = []
    why: list[str] = []
    for start in range(0, len(labels), CHUNK):
        verdicts = outcome.grade(judge, [label.question for label in labels[start : start + CHUNK]])
        for verdict in verdicts:
            accepted.append(None if verdict.credit is None else verdict.credit >= 0.5)
            why.append(verdict.reason if verdict.credit is None else "")
        advance(len(verdicts))
    return LabelAgreement(named(judge), labels, accepted, why)
