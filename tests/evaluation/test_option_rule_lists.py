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


@pytest.mark.parametrize("reply", [
    "{}", "{}.", "**{}**", "- {}", "Answer: {}", "**Answer:** {}", "The answer is {}.", "It is {}.",
    "I think it is {}.", "{} is the correct answer.", "The most likely diagnosis is {}.",
    "The correct answer is:\n\n**{}**",
    "Answer: {}\n\nExplanation: This fits best.", "**{}**\n\n**Explanation:** This fits best.",
    "{}\n\nReasoning: It fits.", "{} because this fits best.", "{}\n\nBecause this fits best.",
    "The answer is {}. It is the classical finding.",
    "The correct answer is **{}**.\n\nThis is the classical finding.", "This is typical.\n\nFinal answer: {}",
])  # fmt: skip
@pytest.mark.parametrize("choices", [ENZYMES, PULP, TUMOUR, ABSCESS])
def test_one_choice_that_is_the_whole_answer_is_decided(reply: str, choices: tuple[str, ...]) -> None:
    assert [option_of(reply.format(text.rstrip(".")), choices) for text in choices] == [0, 1, 2, 3]


@pytest.mark.parametrize("reply", [
    "{}\n\nIt is the classical finding.", "{} – it is typical.", "It is {}. It is typical.",
    "The answer is {}, the typical finding.", "Diagnosis: {}\nFindings: typical",
])  # fmt: skip
def test_a_bare_text_beside_other_sentences_is_left_to_the_judge(reply: str) -> None:
    assert option_of(reply.format("Fibroblasts"), PULP) is None


SEPTUM = ("Atrial septal defect (ASD)", "Patent ductus arteriosus (PDA)", "Coarctation of the aorta (COA)")


@pytest.mark.parametrize(
    ("answer", "index"),
    [
        ("The answer is atrial septal defect (ASD).", 0),
        ("Based on the findings, the answer is atrial septal defect (ASD).", 0),
        ("Atrial septal defect (ASD)\n\nExplanation: it is a hole.", 0),
        ("The answer is atrial septal defect (ASD). It is a hole.", 0),
        ("A. Atrial septal defect (ASD)\n\nIncorrect options: the others", 0),
        ("Answer: atrial septal defect (ASD) and something else", None),
        ("The answer is atrial septal defect (ASD) deficiency.", None),
        ("A. Atrial septal defect\nIncorrect.", None),
        ("A. Atrial septal defect (ASD). This is incorrect.", None),
        ("Answer: A\n\nThat's not right.", None),
        ("The answer is atrial septal defect. This isn\u2019t correct.", None),
        ("Answer: A. It's wrong.", None),
        ("Answer: A. This does not fit.", None),
        ("Answer: A. This is the most common one.", 0),
        ("A) Atrial septal defect (Incorrect)", None),
        ("Option A: atrial septal defect. This can be excluded.", None),
        ("A) Atrial septal defect. \u2717", None),
        ("A) Atrial septal defect \u2014 ruled out", None),
    ],
)
def test_what_follows_the_bracket_of_a_choice_counts_and_so_does_a_denial_behind_its_sentence(
    answer: str, index: int | None
) -> None:
    assert option_of(answer, SEPTUM) == index
