"""Judges asked about answers that people have judged."""

import pytest

from medix.evaluation.label_verdicts import judge_labels
from medix.evaluation.labels import Label
from medix.judge.exact import ExactJudge
from medix.judge.own_arguments import named
from medix.types import JudgeQuestion
from tests.judge.test_own_arguments import Contains


def test_a_judge_is_asked_about_every_answer() -> None:
    labels = [
        Label(JudgeQuestion("side?", "left", answer, ("L",)), same)
        for answer, same in (("Left.", True), ("right", False), ("the left side", True))
    ] * 100
    done: list[int] = []
    found = judge_labels(ExactJudge(), labels, done.append)
    assert sum(done) == 300
    assert len(done) == 2
    assert found.errors.sensitivity.estimate == pytest.approx(0.5)
    assert found.errors.specificity.estimate == 1
    empty = judge_labels(ExactJudge(), [Label(JudgeQuestion("side?", "", "left"), True)], done.append)
    assert empty.reasons == {"the question has no reference to compare with": 1}


def test_a_judge_of_ones_own_is_named_as_in_verdicts() -> None:
    found = judge_labels(Contains(), [Label(JudgeQuestion("side?", "left", "left"), True)], lambda count: None)
    assert found.judge == named(Contains())
    assert found.judge != "contains"
