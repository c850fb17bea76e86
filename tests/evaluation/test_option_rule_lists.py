# ruff: noqa: RUF001 - typographic dashes
"""An answer that lists several things is never decided as one of them, in whichever form the list is written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.evaluation.option_rule import option_of

ENZYMES = ("Temperature.", "pH.", "The presence of certain metal ions.", "All of the above.")
JOINTS = ("Suture", "Syndesmosis.", "Gomphosis.", "All of the above.")
PULP = ("Large Blood vessels", "Nerve fibers", "Fibroblasts", "All of the above")
TUMOUR = ("Surgery", "Chemotherapy", "Surgery + radiotherapy", "Observation")
ABSCESS = ("Antibiotics", "Drainage", "Observation", "Antibiotics and surgical drainage")
PATHS = ("I only", "II only", "III only", "I and III only")
# the choices, which is right, and how a reply may write its parts: exactly, or slightly varied
ITEMS = [
    (ENZYMES, 3, ("Temperature", "Acidity", "Cofactors")),
    (ENZYMES, 3, ("pH", "Warmth", "Metal ions (cofactors)")),
    (ENZYMES, 3, ("The presence of certain metal ions", "The acidity", "The warmth")),
    (JOINTS, 3, ("Sutures", "Syndesmoses", "Gomphosis")),
    (JOINTS, 3, ("Suture", "Gomphoses", "Syndesmoses")),
    (PULP, 3, ("Blood vessels", "Nerves", "Fibroblasts")),
    (PULP, 3, ("Fibroblasts", "Fibers of nerves", "Vessels")),
    (TUMOUR, 2, ("Surgery", "Radiotherapy")),
    (TUMOUR, 2, ("Surgery", "Postoperative radiotherapy")),
    (TUMOUR, 2, ("Surgery", "Adjuvant radiation")),
    (ABSCESS, 3, ("Antibiotics", "Surgical drainage")),
    (ABSCESS, 3, ("Broad-spectrum antibiotics", "Drainage")),
    (PATHS, 3, ("I", "III only")),
    (
        ("Fever", "Rash", "Cough", "Bleeding"),
        3,
        ("Fever", "Eruption of the skin", "Coughing"),
    ),  # "all but one are seen"
]
BEFORE = ["", "Answer: ", "The answer is:\n", "The correct answers are ", "The most likely answer is\n\n", "It is "]
BETWEEN = [
    "\n",
    ".\n\n",
    ". ",
    "; ",
    " – ",
    " / ",
    ", ",
    " and ",
    "\nAlso: ",
    ". Then ",
    ".\nThe ",
    ", the ",
]
MARKS = [("* ",) * 3, ("- ",) * 3, ("• ",) * 3, *(tuple(f"{one}{end}" for one in marks) for end in (". ", ") ")
         for marks in ("123", "abc", "ABC", ("I", "II", "III")))]  # fmt: skip
LISTS = [
    *(("", between, "") for between in BETWEEN),
    *((marks, end, stress) for marks in MARKS for end in ("\n", "\n\n", ".\n") for stress in ("", "**")),
]


def written(parts: tuple[str, ...], marks: tuple[str, ...] | str, between: str, stress: str) -> str:
    """A list of parts in one form."""
    begins = marks or ("",) * len(parts)
    return between.join(f"{begin}{stress}{part}{stress}" for begin, part in zip(begins, parts, strict=False))


@pytest.mark.parametrize(("choices", "right", "parts"), ITEMS)
@pytest.mark.parametrize("before", BEFORE)
def test_a_list_is_never_decided_as_one_of_its_lines(
    choices: tuple[str, ...], right: int, parts: tuple[str, ...], before: str
) -> None:
    wrong = {}
    for order in (parts, parts[::-1]):
        for form in LISTS:
            for end in ("", "."):
                answer = before + written(order, *form) + end
                if option_of(answer, choices) not in (None, right):
                    wrong[answer] = option_of(answer, choices)
    assert not wrong


FRAGMENTS = st.lists(st.sampled_from(["Acidity", "The warmth", "Cofactors", "Salts"]), min_size=1, unique=True)


@given(FRAGMENTS, FRAGMENTS, st.sampled_from(["\n", ". ", "; ", "\n- "]), st.sampled_from(BEFORE))
def test_a_choice_within_a_list_decides_nothing(above: list[str], below: list[str], between: str, lead: str) -> None:
    assert option_of(lead + between.join([*above, "Temperature", *below]), ENZYMES) is None
