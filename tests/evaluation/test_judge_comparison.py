"""Several judges on the same completions."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from medix.evaluation.few_clusters import few_note
from medix.evaluation.judge_comparison import JudgeComparison, compare_judges
from medix.evaluation.scored_completion import ScoredCompletion
from medix.reporting.table import MISSING


def rows(*credits_by: tuple[float | None, str]) -> dict[str, list[ScoredCompletion]]:
    return {
        "t": [
            ScoredCompletion(f"{n}", 0, f"{n}", "q", ("a",), "t", "t", credit, by=by)
            for n, (credit, by) in enumerate(credits_by)
        ]
    }


MINUS = "\N{MINUS SIGN}"

RULE, LEFT, RIGHT, WRONG = (1.0, "rule"), (None, ""), (1.0, "judge"), (0.0, "judge")


def compared(first: Sequence[tuple[float | None, str]], second: Sequence[tuple[float | None, str]]) -> JudgeComparison:
    return compare_judges({"j": rows(*first), "k": rows(*second)}, {"t": False})


def test_verdicts_by_rule_are_in_no_agreement() -> None:
    found = compare_judges(
        {
            "j": rows((1.0, "rule"), (1.0, "judge"), (None, "")),
            "k": rows((1.0, "rule"), (0.0, "judge"), (1.0, "judge")),
        },
        {"t": False},
    )
    assert (found.rows[1].asked, found.rows[1].equal) == (1, 0)
    assert found.rows[0].coverage == pytest.approx(2 / 3)


def test_one_judge_has_no_shift_and_grades_are_of_five() -> None:
    found = compare_judges({"j": rows(*[(0.6, "judge")] * 6)}, {"t": True})
    assert found.largest_shift is None
    assert found.tables()[0].rows[0][1].startswith("3.000")
    assert found.tables()[0].rows[0][2] == MISSING
    assert found.notes[0] == "Judge 1: j"


def test_a_judge_that_decided_nothing_is_said_to_be_shown_by_rules_alone() -> None:
    found = compare_judges(
        {
            "j": rows((1.0, "rule"), (1.0, "judge")),
            "k": rows((1.0, "rule"), (None, "")),
            "l": rows((None, ""), (None, "")),
        },
        {"t": False},
    )
    assert [(row.judged, row.is_by_rule) for row in found.rows] == [(1, False), (0, True), (0, False)]
    assert [row[0] for row in found.tables()[0].rows] == ["t, judge 1", "t, judge 2 (rules alone)", "t, judge 3"]
    assert found.notes[3] == "Judge 2 gave no verdict on t: what is shown of it there comes from rules alone."


def test_completions_that_a_judge_left_do_not_dilute_its_shift() -> None:
    """By hand: of 12 completions 4 go to a rule and 8 to the judges, who differ by -1 on 2 of them: -2 / 12."""
    first, second = [*[RULE] * 4, *[RIGHT] * 8], [*[RULE] * 4, WRONG, WRONG, *[RIGHT] * 6]
    assert compared(first, second).rows[1].shift.estimate == pytest.approx(-2 / 12)
    half = [*[RULE] * 4, WRONG, LEFT, *[RIGHT] * 3, *[LEFT] * 3]  # 4 of 8 are judged, one differs: -1 / 4 of 8 / 12
    for found in (compared(first, half), compared([*half[:4], RIGHT, LEFT, *half[6:]], second)):
        assert found.rows[1].shift.estimate == pytest.approx(-1 / 4 * 8 / 12)
        assert found.largest_shift == pytest.approx(1 / 6)
        assert found.rows[1].asked == 4


def test_the_interval_of_a_shift_counts_that_the_share_of_the_rules_is_one_of_a_sample() -> None:
    """The judges differ on all of 80 that are left of 400: squares 80 · 0.8² + 320 · 0.2² + 2 = 66 with the two that
    are added, half 1.9659 · √(66 · 400/399) / 402 = 0.03978."""
    found = compared([*[RULE] * 320, *[WRONG] * 80], [*[RULE] * 320, *[RIGHT] * 80]).rows[1].shift
    assert (found.estimate, found.count, found.clusters) == (0.2, 400, 400)
    assert (found.low, found.high) == pytest.approx((0.2 - 0.03978, 0.2 + 0.03978), abs=1e-5)


def test_rows_of_few_clusters_are_marked() -> None:
    for size, marked in ((29, ["29 *", "28 *"]), (31, ["31", "30"])):
        found = compared([RIGHT] * size, [*[WRONG] * (size - 1), LEFT])
        heads = found.tables()[0].columns
        assert [row[heads.index("Clusters")] for row in found.tables()[0].rows] == marked
        assert [row["few_clusters"] for row in found.to_dict()["rows"]] == [size == 29] * 2
        assert few_note() in found.notes[-1]
    partly = compared([*[RIGHT] * 29, LEFT, LEFT], [WRONG] * 31)  # the shift rests on fewer clusters than the result
    assert [row.weakest.clusters for row in partly.rows] == [29, 29]


def test_a_shift_that_few_completions_tell_is_marked_however_many_rules_decide() -> None:
    """Of 105 that rules leave judge 2 reads 3, which is too few for an interval, or 20; judge 1 reads 40."""
    first = [*[RULE] * 45, *[WRONG] * 40, *[LEFT] * 65]
    for asked, shown in ((3, "3 *"), (20, "20 *")):
        found = compared(first, [*[RULE] * 45, *[RIGHT] * asked, *[LEFT] * (105 - asked)])
        table = found.tables()[0]
        assert [row[table.columns.index("Clusters")] for row in table.rows] == ["85", shown]
        assert [row["few_clusters"] for row in found.to_dict()["rows"]] == [False, True]
        assert table.rows[1][table.columns.index("Shift from judge 1")].startswith("+70.0 %")
        assert ("(" in table.rows[1][table.columns.index("Shift from judge 1")]) == (asked == 20)


def test_the_mean_shift_of_random_halves_is_that_of_all() -> None:
    draw = random.Random(0)
    first = [RULE] * 20 + [draw.choice((RIGHT, WRONG)) for _ in range(40)]
    second = [RULE] * 20 + [draw.choice((RIGHT, RIGHT, WRONG)) for _ in range(40)]
    complete = compared(first, second).rows[1].shift.estimate
    assert complete == pytest.approx(sum(b - a for (a, _), (b, _) in zip(first, second, strict=True)) / 60)
    shifts = []
    for _ in range(400):
        lost = set(draw.sample(range(20, 60), 20))
        half = [LEFT if place in lost else one for place, one in enumerate(second)]
        shifts.append(compared(first, half).rows[1].shift.estimate)
    assert sum(shifts) / len(shifts) == pytest.approx(complete, abs=0.01)


def test_there_is_no_shift_where_no_completion_was_judged_by_both() -> None:
    found = compared([RULE, RIGHT, LEFT], [RULE, LEFT, WRONG])
    assert found.largest_shift is None
    assert found.tables()[0].rows[1][2] == MISSING
    assert f"Largest shift: {MISSING}." in found.notes[-1]
    data = found.to_dict()
    assert data["largest_shift"] is data["rows"][1]["shift"]["estimate"] is data["rows"][1]["shift"]["low"] is None


def test_judges_who_give_equal_grades_may_still_differ() -> None:
    """40 equal grades: half 2.02269 · √(2 · 0.2² · 40/39) / 42 = 0.013795 of a credit, 0.069 of a grade."""
    found = compare_judges({name: rows(*[(0.8, "judge")] * 40) for name in ("j", "k")}, {"t": True})
    assert found.tables()[0].rows[1][2] == f"+0.000 ({MINUS}0.069 to +0.069)"


def test_completions_that_could_not_be_made_are_no_share_of_a_shift() -> None:
    first, second = rows(RULE, RIGHT, LEFT), rows(RULE, WRONG, LEFT)
    for judged in (first, second):
        judged["t"][2] = replace(judged["t"][2], completion=None)
    found = compare_judges({"j": first, "k": second}, {"t": False})
    assert found.rows[1].shift.estimate == pytest.approx(-1 / 2)
