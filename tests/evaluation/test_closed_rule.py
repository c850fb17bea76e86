"""Words and initials that answer a closed question."""

import pytest

from medix.evaluation.closed_rule import closed_words


@pytest.mark.parametrize(
    ("answer", "references", "choices", "expected"),
    [
        ("Yes.", ["no"], None, ("yes", "no")),
        ("N", ["No"], None, ("no", "no")),
        ("(y)", ["yes", "Yes."], None, ("yes", "yes")),
        ("**n**", ["no"], None, ("no", "no")),
        ("no, it is not", ["no"], None, None),
        ("F", ["true"], None, ("false", "true")),
        ("True", ["true"], None, ("true", "true")),
        ("true", ["yes"], None, None),  # "Is it not enlarged?" "True"
        ("t", ["yes"], None, None),
        ("n", ["left"], None, None),
        ("n", ["yes", "no"], None, None),
        ("n", ["n"], None, None),
        ("f", ["false"], ["true", "false"], ("false", "false")),
        ("f", ["false"], ["true", "false", "1", "2", "3", "4"], None),  # choice F
        ("n", ["no"], ["yes", "no", "maybe"], ("no", "no")),
        ("y", ["maybe"], ["yes", "no", "maybe"], ("yes", "maybe")),
        ("m", ["no"], ["yes", "no", "maybe"], None),
        ("t", ["no"], ["yes", "no", "too early"], None),
        ("n", ["neither"], ["true", "false", "neither"], None),
        ("**Maybe**", ["no"], ["yes", "no", "maybe"], ("maybe", "no")),
        ("t", ["Cannot tell"], ["True", "False", "Cannot tell"], None),
        ("f", ["Cannot tell"], ["True", "False", "Cannot tell"], ("false", "cannot tell")),
        ("**No**", ["no"], None, ("no", "no")),
        ("_No._", ["yes"], None, ("no", "yes")),
        ("E", ["edema"], ["edema", "fracture"], None),  # perhaps a fifth choice
        ("edema", ["fracture"], ["edema", "fracture"], ("edema", "fracture")),
        ("aa", ["AA"], ["AA", "aa"], ("aa", "AA")),
        ("Aa", ["AA"], ["AA", "aa"], None),
        ("n", ["no"], ["yes", "no", "not known"], None),
        ("n", ["no"], ["yes", "no", "stage N"], None),
        (".25", ["0.25"], ["25", "0.25"], None),
        (".25", [".25"], [".25", "0.25"], (".25", ".25")),
        ("2*5", ["25"], ["25", "5"], None),
        ("**25**!", ["25"], ["25", "5"], None),
        ("**25**", ["25"], ["25", "5"], None),  # read as a choice by ``option``
    ],
)
def test_a_word_or_its_initial(
    answer: str, references: list[str], choices: list[str] | None, expected: tuple[str, str] | None
) -> None:
    row = {
        "question": "Is it?",
        "references": references,
        "choices": choices,
        "answer_index": None,
        "finish_reason": "stop",
    }
    if choices:
        row["answer_index"] = choices.index(references[0])
    assert closed_words(row, answer) == expected


def test_an_initial_is_none_where_the_question_holds_it_as_a_letter() -> None:
    row = {"references": ["no"], "choices": None, "answer_index": None}
    for listed in ("Is it?\n(N) yes\n(Y) no", "Is it n or N1?", "\u54ea\u4e2a N\u3001\u662f Y\u3001\u5426"):
        assert closed_words({**row, "question": listed}, "n") is None
        assert closed_words({**row, "question": listed}, "no") == ("no", "no")


def test_several_lines_may_be_several_choices() -> None:
    choices = ["hypoplastic", "hypomaturation", "hypoplastic hypomaturation"]
    row = {
        "question": "Which?",
        "references": [choices[2]],
        "choices": choices,
        "answer_index": 2,
        "finish_reason": "stop",
    }
    assert closed_words(row, "hypoplastic hypomaturation\n") == (choices[2], choices[2])
    assert closed_words(row, "hypoplastic\nhypomaturation") is None
