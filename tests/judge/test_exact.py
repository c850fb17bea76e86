"""The judge without a model."""

import pytest

from medix.judge import ExactJudge
from medix.types import JudgeQuestion
from tests.support.effort import processor_seconds


def credit(answer: str, reference: str, *aliases: str) -> float | None:
    [verdict] = ExactJudge().grade([JudgeQuestion("q", reference, answer, aliases)])
    return verdict.credit


def test_the_reference_or_an_alias_is_right_and_all_else_is_wrong() -> None:
    assert credit("Heart attack.", "the heart attack") == 1.0
    assert credit("MI", "myocardial infarction", "heart attack", "mi") == 1.0
    assert credit("heart attack", "myocardial infarction") == 0.0


@pytest.mark.parametrize("answer", ["B", "2", "1:2", "A", "+", "p < 0.05", "120 / 80 mmHg"])
def test_short_answers_are_answers(answer: str) -> None:
    assert credit(answer, answer) == 1.0
    assert credit(answer, answer + " or other") == 0.0


def test_a_verdict_says_who_and_why() -> None:
    right, wrong = ExactJudge().grade([JudgeQuestion("q", "no fracture", "No fracture"), JudgeQuestion("q", "2", "3")])
    assert (right.judge, right.reply, right.explanation) == ("exact/4", "YES", "the reference")
    assert (wrong.reply, wrong.explanation) == ("NO", "number: 3 against 2")
    assert wrong.latency >= 0


def test_without_a_reference_nothing_can_be_said() -> None:
    [verdict] = ExactJudge().grade([JudgeQuestion("q", " ", "a")])
    assert verdict.credit is None
    assert "no reference" in verdict.reason


def test_an_empty_answer_is_wrong() -> None:
    assert credit("", "a") == credit("  ", "a") == 0.0


def test_fifty_thousand_characters_are_graded_in_time() -> None:
    assert credit("no 5 x 3 mm, left " * 2700, "no") == 0.0
    assert (
        processor_seconds(lambda: credit("no 5 x 3 mm, left " * 2701, "no"), attempts=1) < 60.0
    )  # under the type checker; 0.3 s without it
