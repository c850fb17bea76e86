"""What is decided without a judge, and what is left to one."""

from typing import Any

import pytest

from medix.evaluation.rule_verdict import question_of, rule_verdict

BOTH = ("option", "exact")
ROW = {"question": "Which side?", "references": ["left"], "choices": None, "answer_index": None, "answer": "left",
       "finish_reason": "stop"}  # fmt: skip
CHOICES = {"question": "Which?\n\nChoices:\nA. skin\nB. bone", "references": ["bone"], "choices": ["skin", "bone"],
           "answer_index": 1}  # fmt: skip


def credit(rules: tuple[str, ...] = BOTH, **fields: Any) -> float | None:
    found = rule_verdict({**ROW, **fields}, rules)
    return None if found is None else found.credit


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 1.0),
        ({"answer": "Left."}, 1.0),
        ({"answer": "sinister", "references": ["left", "sinister"]}, 1.0),
        ({"answer": "the left one"}, None),
        ({"answer": "right"}, None),
        ({"answer": None}, 0.0),
        ({"answer": "  "}, 0.0),
        ({"answer": "no", "references": ["Yes"]}, 0.0),
        ({"answer": "Yes.", "references": ["yes"]}, 1.0),
        ({"answer": "no, it is not", "references": ["yes"]}, None),
        ({"answer": "no", "references": ["yes", "no"]}, 1.0),
        ({"answer": "no", "references": ["left"]}, None),
        ({**CHOICES, "answer": "B"}, 1.0),
        ({**CHOICES, "answer": "skin"}, 0.0),
        ({**CHOICES, "answer": "E"}, 0.0),
        ({**CHOICES, "answer": "It is osseous."}, None),
        ({**CHOICES, "answer": "(A)", "finish_reason": "length"}, None),
        ({**CHOICES, "answer": "A", "answer_index": None}, None),
    ],
)
def test_rules_decide_only_what_is_clear(fields: dict[str, Any], expected: float | None) -> None:
    assert credit(**fields) == expected


def test_only_the_rules_of_a_task_are_applied() -> None:
    assert credit(()) is None
    assert credit((), answer=None) == 0.0
    assert credit(("exact",), **CHOICES, answer="A") is None
    assert credit(("option",), answer="left") is None


def test_a_judge_is_told_the_letter_of_the_right_choice() -> None:
    assert question_of({**ROW, **CHOICES, "answer": "osseous"}).aliases == ("B. bone",)
    asked = question_of({**ROW, "references": ["left", "sinister"]})
    assert (asked.reference, asked.answer, asked.aliases) == ("left", "left", ("sinister",))
