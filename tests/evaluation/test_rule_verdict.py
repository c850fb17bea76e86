# ruff: noqa: RUF001 - signs beside numbers
"""What is decided without a judge, and what is left to one."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.evaluation.rule_verdict import question_of, rule_verdict

BOTH = ("option", "exact")
ROW = {"question": "Which side?", "references": ["left"], "choices": None, "answer_index": None, "answer": "left",
       "finish_reason": "stop"}  # fmt: skip
CHOICES = {"question": "Which?\n\nChoices:\nA. skin\nB. bone", "references": ["bone"], "choices": ["skin", "bone"],
           "answer_index": 1}  # fmt: skip
BLOOD = {"question": "Which?\n\nChoices:\nA. AB\nB. A\nC. B\nD. O", "references": ["A"],
         "choices": ["AB", "A", "B", "O"], "answer_index": 1}  # fmt: skip


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
        ({**CHOICES, "answer": "E"}, None),
        ({**CHOICES, "answer": "It is osseous."}, None),
        ({**CHOICES, "answer": "(A)", "finish_reason": "length"}, None),
        ({**CHOICES, "answer": "A", "answer_index": None}, None),
        ({**BLOOD, "answer": "A"}, None),  # choice A, which is wrong, or group A, which is right
        ({**BLOOD, "answer": "(a)."}, None),
        *(({**BLOOD, "answer": text}, None) for text in ("A,", "A;", "A!", "A .", "'A'", "The answer is 'A'")),
        ({**BLOOD, "answer": "The answer is (B)."}, None),
        ({**BLOOD, "choices": ["AB", "type A", "B"], "references": ["type A", "A"], "answer": "A"}, None),  # an alias
        ({"answer": "n", "references": ["No"]}, 1.0),
        ({"answer": "Y.", "references": ["no"]}, 0.0),
        ({**CHOICES, "choices": ["yes", "no"], "answer": "N"}, 1.0),
        ({**CHOICES, "choices": ["yes", "no", "maybe"], "answer": "(y)"}, 0.0),
        *(
            ({**CHOICES, "choices": ["yes", "no", "maybe"], "answer": "y", "answer_index": right}, float(right == 0))
            for right in range(3)
        ),
        ({"answer": "**No**", "references": ["yes"]}, 0.0),
        ({**CHOICES, "choices": ["yes", "no", "not known"], "answer": "N"}, None),
        ({**CHOICES, "choices": ["grade Y", "grade Z"], "answer": "y"}, None),
        ({**CHOICES, "choices": ["vitamin c", "vitamin k"], "answer": "K"}, None),
        ({**CHOICES, "choices": ["T wave", "p wave"], "answer": "p"}, None),
        ({**BLOOD, "answer": "A", "answer_index": None}, None),
        ({**BLOOD, "answer": "B. A"}, 1.0),
        ({**CHOICES, "choices": ["mM", "bone"], "answer": "MM"}, None),
        ({**CHOICES, "choices": ["skin", "bone"], "answer": "BONE"}, 1.0),
        ({**CHOICES, "choices": ["skin", "no"], "answer": "NO"}, 1.0),
        ({**BLOOD, "answer": "AB"}, 0.0),
        ({**BLOOD, "answer": "D"}, 0.0),
        ({**BLOOD, "answer": "O", "answer_index": 3, "references": ["O"]}, 1.0),  # no choice has that letter
    ],
)
def test_rules_decide_only_what_is_clear(fields: dict[str, Any], expected: float | None) -> None:
    assert credit(**fields) == expected


_SETS = (
    ["yes", "no", "maybe"], ["Yes", "No", "Not sure"], ["True", "False", "Cannot tell"], ["true", "false"],
    ["AB", "A", "B", "O"], ["bone", "bone marrow", "skin"], ["AA", "aa", "Aa"], ["yes", "yes", "no"],
    ["T wave", "p wave"], ["vitamin D", "vitamin K", "a fracture", "fracture"], ["+1", "-1"], ["left.", "the left"],
)  # fmt: skip
_FORMS = ("{}", "**{}**", "({})", "{}.", "{}!", "the {}", "answer: {}", "The answer is {}.", "{}, clearly", "not {}")


@given(
    choices=st.sampled_from(_SETS),
    said=st.sampled_from([*"abcdefkmnotpy", *(text for texts in _SETS for text in texts), "true", "none"]),
    form=st.sampled_from(_FORMS),
    is_capital=st.booleans(),
    rules=st.sampled_from((BOTH, ("exact",), ("option",))),
    finish=st.sampled_from(("stop", "length")),
)
def test_whether_a_rule_decides_does_not_depend_on_the_right_choice(
    choices: list[str], said: str, form: str, is_capital: bool, rules: tuple[str, ...], finish: str
) -> None:
    """Else the score of who always says the same is the accuracy among the choices that the rule decides."""
    listed = "\n".join(f"{chr(65 + place)}. {text}" for place, text in enumerate(choices))
    row = {"question": f"Which?\n\nChoices:\n{listed}", "choices": choices, "finish_reason": finish,
           "answer": form.format(said.capitalize() if is_capital else said)}  # fmt: skip
    found = [credit(rules, **row, references=[text], answer_index=n) for n, text in enumerate(choices)]
    assert len({one is None for one in found}) == 1, found


DOSES = ("5 mg", "10 mg")


@pytest.mark.parametrize(
    ("answer", "choices"),
    [
        *((text, DOSES) for text in ("2.5 mg", "The dose is 0.5 mg.", "-5 mg", ">5 mg", "< 5 mg", "±5 mg", "5.0 mg")),
        *((text, DOSES) for text in ("5 mg/kg", "5-10 mg", "1,5 mg", "1 500 mg", "A .5 mg", "A. 2.5 mg")),
        *((text, DOSES) for text in ("It is 5 mg. No more than 2.5 mg.", "The answer is (B) 2.5 mg.", "5 mg; 2.5 mg")),
        ("2*5 mg", ("25 mg", "50 mg")),
        ("2**5 mg", ("25 mg", "50 mg")),
        ("7.35 mmHg", ("35 mmHg", "45 mmHg")),
        (".5 mg", ("5 mg", "0.5 mg", "50 mg")),
        (".25", ("25", "0.25", "2.5")),
        *((f"The answer is {text}.", ("5", "6")) for text in ("5.5", "5,000", "10^5", "10^{5}", "5 and a half")),
        ("It is 5 mg.", ("<5 mg", ">10 mg")),
        ("A. -1", ("+1", "-1")),
        ("B. - 10 mg\n(A)", DOSES),
        ("B\ngrade 3 3", ("grade 2", "grade 3")),
        ("The answer is C.\n5-10 %", ("<5 %", "5-10 %", ">10 %")),
        ("It is in-complete abortion.", ("complete abortion", "missed abortion")),
        ("Right-left shunt", ("Left shunt", "Right shunt")),
    ],
)
def test_another_number_or_word_than_every_choice_is_left_to_the_judge(answer: str, choices: tuple[str, ...]) -> None:
    for right, text in enumerate(choices):
        row = {"question": "Which?", "choices": list(choices), "answer_index": right, "references": [text]}
        assert credit(**row, answer=answer) is None


@pytest.mark.parametrize(
    "answer", ["5 mg", "**5 mg**", "The answer is 5 mg.", "A. 5 mg", "(A) 5 mg", "It is low. Answer: 5 mg"]
)
def test_the_number_of_a_choice_is_decided(answer: str) -> None:
    row = {"question": "Which?", "choices": list(DOSES), "answer_index": 0, "references": ["5 mg"]}
    assert credit(**row, answer=answer) == 1.0


_OTHER = (
    "-{}", "- {}", "−{}", "+{}", ">{}", "< {}", "≥{}", "±{}", "~{}", ".{}", "0.{}", "3,{}", "1 {}", "1/{}", "1–{}",
    "2*{}", "2 × {}", "10^{}", "7:{}", "{}.5", "{},5", "{} 000", "{}/2", "{}-900", "{} – 900", "{}^2", "{}*10^3",
    "{} ± 2",
)  # fmt: skip
_WORDINGS = ("{}", "**{}**", "It is {}.", "The answer is {}.", "Answer: {}", "I think it is the {}, as shown.", "({})")


@given(
    numbers=st.lists(st.integers(1, 800), min_size=2, max_size=5, unique=True),
    data=st.data(),
    other=st.sampled_from(_OTHER),
    unit=st.sampled_from(("", " mg", " mmHg", " %", "%")),
    wording=st.sampled_from(_WORDINGS),
)
def test_a_number_that_is_no_choice_has_no_verdict_by_rule(
    numbers: list[int], data: st.DataObject, other: str, unit: str, wording: str
) -> None:
    choices = [f"{number}{unit}" for number in numbers]
    answer = wording.format(f"{other.format(data.draw(st.sampled_from(numbers)))}{unit}")
    row = {"question": "How much?", "choices": choices, "answer_index": 0, "references": [choices[0]]}
    assert credit(**row, answer=answer) is None


def test_a_cut_text_that_may_be_another_choice_is_not_decided() -> None:
    row = {"question": "Which?", "choices": ["bone", "bone marrow"], "references": ["bone"], "answer_index": 0}
    assert credit(("exact",), **row, answer="bone", finish_reason="length") is None
    assert credit(("exact",), **row, answer="bone marrow", finish_reason="length") == 0.0
    assert credit(("exact",), **{**row, "references": ["bone", "osseous"]}, answer="Osseous") == 1.0


def test_only_the_rules_of_a_task_are_applied() -> None:
    assert credit(()) is None
    assert credit((), answer=None) == 0.0
    assert credit(("exact",), **CHOICES, answer="A") is None
    assert credit(("exact",), **BLOOD, answer="A") is None
    assert credit(("option",), answer="left") is None


def test_a_judge_is_told_the_letter_of_the_right_choice() -> None:
    assert question_of({**ROW, **CHOICES, "answer": "osseous"}).aliases == ("B. bone",)
    asked = question_of({**ROW, "references": ["left", "sinister"]})
    assert (asked.reference, asked.answer, asked.aliases) == ("left", "left", ("sinister",))


def test_a_choice_without_a_letter_is_a_fault() -> None:
    row = {"question": "Which?", "choices": [f"x{place}" for place in range(30)], "answer_index": 27}
    assert credit(("option",), **row, references=["x27"], answer="x27") is None
    with pytest.raises(ValueError, match="choices: 28 of one question"):
        question_of({**ROW, **row, "references": ["x27"]})
