"""Several judges on the same completions."""

import pytest

from medix.evaluation.judge_comparison import compare_judges
from medix.evaluation.scored_completion import ScoredCompletion
from medix.reporting.table import MISSING


def test_verdicts_by_rule_are_in_no_agreement() -> None:
    def rows(*credits_by: tuple[float | None, str]) -> dict[str, list[ScoredCompletion]]:
        return {
            "t": [
                ScoredCompletion(f"{n}", 0, f"{n}", "q", ("a",), "t", "t", credit, by=by)
                for n, (credit, by) in enumerate(credits_by)
            ]
        }

    found = compare_judges(
        {
            "j": rows((1.0, "rule"), (1.0, "judge"), (None, "")),
            "k": rows((1.0, "rule"), (0.0, "judge"), (1.0, "judge")),
        },
        {"t": False},
    )
    assert (found.rows[1].asked, found.rows[1].equal) == (1, 0)
    assert found.rows[1].shift.count == 2
    assert found.rows[0].coverage == pytest.approx(2 / 3)


def test_one_judge_has_no_shift_and_grades_are_of_five() -> None:
    rows = [ScoredCompletion(f"{n}", 0, f"{n}", "q", ("a",), "t", "t", 0.6, by="judge") for n in range(6)]
    found = compare_judges({"j": {"t": rows}}, {"t": True})
    assert found.largest_shift == 0
    assert found.tables()[0].rows[0][1].startswith("3.000")
    assert found.tables()[0].rows[0][2] == MISSING
    assert found.notes[0] == "Judge 1: j"
