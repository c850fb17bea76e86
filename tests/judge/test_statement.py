"""The judge of reports by rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge import ExactJudge, ReportRubricPrompt, StatementJudge, YesNoPrompt
from medix.judge.statement import statements
from medix.types import JudgeQuestion
from tests.support.effort import processor_seconds

REFERENCE = "Findings: Spot on the left. Spot in the upper half. No ring is seen. Impression: Single spot."


def graded(answer: str, reference: str = REFERENCE, *aliases: str) -> float | None:
    [verdict] = StatementJudge().grade([JudgeQuestion("Report.", reference, answer, aliases)])
    return verdict.credit


@pytest.mark.parametrize(
    ("answer", "credit"),
    [
        (REFERENCE, 1.0),
        ("Single spot. No ring is seen; spot in the upper half.\nSpot on the left", 1.0),  # order and headings
        ("The findings: Single spot! No ring is seen! Spot in the upper half! Spot on the left!", 1.0),
        ("Spot on the left. Spot in the upper half. No ring is seen.", 0.6),  # 3 of 4: 3.75, rounded down
        ("Spot on the left. Spot on the right. Spot in the upper half. No ring is seen. Single spot.", 0.6),  # 4 - 1
        ("Spot on the right. Spot in the upper half. No ring is seen. Single spot.", 0.4),  # 3 - 1
        ("Spot on the left. Spot on the left. Spot on the left.", 0.2),  # once: 1 of 4
        ("Spot on the left. Spot on the right.", 0.0),
        ("A ring is seen.", 0.0),
        ("Findings: Impression:", 0.0),
        ("1. Spot on the left. 2. Spot in the upper half. 3. No ring is seen. 4. Single spot.", 1.0),
        ("1) Spot on the left.\n2) Spot in the upper half.\n(3) No ring is seen.\n4) Single spot", 1.0),
        ("Findings:\n1. Spot on the left\n2. Spot in the upper half\nImpression:\n1. Single spot", 0.6),
        (
            "**Findings:** Spot on the left. Spot in the upper half. No ring is seen. **Impression**: **Single spot.**",
            1.0,
        ),
        (
            "## Findings\n- Spot on the left\n- Spot in the upper half\n- No ring is seen\n# Impression\nSingle spot.",
            1.0,
        ),
        ("1. Spot on the right. 2. Spot in the upper half. 3. No ring is seen. 4. Single spot.", 0.4),  # 3 - 1
        ("", 0.0),
    ],
)
def test_grades_by_hand(answer: str, credit: float) -> None:
    assert graded(answer) == credit


def test_numbers_are_not_split_at_their_point() -> None:
    assert statements("Mass of 2.5 cm. No effusion.") == ["Mass of 2.5 cm", "No effusion"]
    assert graded("Mass of 2.5 cm", "Mass of 2.5 cm.") == 1.0
    assert graded("Mass of 25 cm", "Mass of 2.5 cm.") == 0.0


def test_numbers_that_count_no_sentences_are_statements() -> None:
    assert statements("Number of spots. 2. No ring.") == ["Number of spots", "2", "No ring"]
    assert statements("1. Number of spots: 2. 2. No ring.") == ["Number of spots: 2", "No ring"]
    assert statements("Number. 1.") == ["Number", "1"]
    assert graded("Spots: 3. No ring.", "Spots: 2. No ring.") == 0.0  # 1 - 1
    assert graded("No findings", "No findings.") == 1.0


def test_the_best_reference_counts() -> None:
    assert graded("No spot.", REFERENCE, "No spot.") == 1.0


def test_a_verdict_names_what_is_missing_and_what_is_not_supported() -> None:
    [verdict] = StatementJudge().grade(
        [JudgeQuestion("q", "Spot on the left. No ring.", "Spot on the left. Fracture.")]
    )
    assert verdict.explanation == "1 of 2 sentences agree; missing: No ring; unsupported: Fracture"
    assert (verdict.reply, verdict.judge) == ("0", "statement/3")


def test_without_a_sentence_in_the_reference_nothing_can_be_said() -> None:
    [verdict] = StatementJudge().grade([JudgeQuestion("q", "Findings:", "a")])
    assert verdict.credit is None
    assert "no reference" in verdict.reason


def test_it_takes_the_rubric_and_no_other_prompt() -> None:
    judge = StatementJudge()
    assert judge.asking(ReportRubricPrompt()) is judge
    with pytest.raises(ValueError, match="cannot be asked with the prompt"):
        judge.asking(YesNoPrompt())


def test_a_long_answer_takes_no_longer_than_reading_it() -> None:
    """Two hundred thousand sentences, each another: comparing all pairs would take days."""
    long = ". ".join(f"finding {number}" for number in range(200_000))
    assert processor_seconds(lambda: graded(long), attempts=1) < 5
    assert graded(long) == 0.0
    assert graded(f"{REFERENCE} " * 20_000) == 1.0
    assert graded(f"{REFERENCE} {long}") == 0.0


FACTS = st.lists(st.sampled_from([f"finding {letter}" for letter in "abcdefgh"]), min_size=1, max_size=6, unique=True)


@given(FACTS, FACTS, st.randoms(use_true_random=False))
def test_the_grade_is_that_of_sets(reference: list[str], answer: list[str], random) -> None:  # type: ignore[no-untyped-def]
    agreeing, unsupported = len({*reference} & {*answer}), len({*answer} - {*reference})
    expected = max(0, 5 * (agreeing - unsupported) // len(reference)) / 5
    random.shuffle(answer)
    assert graded(". ".join(answer), ". ".join(reference)) == expected


@given(FACTS, FACTS)
def test_only_the_whole_report_gets_the_best_grade_and_the_exact_judge_agrees(
    reference: list[str], answer: list[str]
) -> None:
    same = set(reference) == set(answer)
    assert (graded(". ".join(answer), ". ".join(reference)) == 1.0) is same
    if answer == reference:
        [verdict] = ExactJudge().grade([JudgeQuestion("q", ". ".join(reference), ". ".join(answer))])
        assert verdict.credit == 1.0
