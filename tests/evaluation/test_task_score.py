"""Scores of a task from its completions."""

import json
from typing import Any

import pytest

from medix.evaluation.evaluation_score import EvaluationScore
from medix.evaluation.judge_errors import JudgeErrors
from medix.evaluation.scored_completion import ScoredCompletion, joined
from medix.evaluation.statistics import proportion, wilson
from medix.evaluation.task_score import TaskScore
from medix.reporting.render import plain

SPEC = {"scoring": "binary", "cluster": "item", "expected_rows": 8, "rows": 8, "group": "vlm"}


def _one(n: int, credit: float | None, **fields: Any) -> ScoredCompletion:
    given: dict[str, Any] = {"by": "judge" if credit is not None else "", "judge": "scripted", "format_valid": True}
    given |= {"reason": "" if credit is not None else "down", "modality": None} | fields
    return ScoredCompletion(f"i{n}", 0, f"i{n}", "q", ("a",), "text", "a", credit, **given)


def test_a_task_by_hand() -> None:
    """Six of seven scored completions right, one of eight unscored: 6/7 by Wilson, between 6/8 and 7/8."""
    rows = [_one(n, float(n > 0)) for n in range(7)] + [_one(7, None)]
    score = TaskScore.of("t", SPEC, rows)
    assert score.whole.credit == wilson(6, 7)
    assert score.whole.bounds == (0.75, 0.875)
    assert score.whole.coverage == 7 / 8
    assert score.reasons == {"down": 1}
    assert score.judges == {"scripted": 7}
    assert score.warnings == [
        "1 of 8 unscored, so between 75.0% and 87.5%",
        "7 items: the interval may be too narrow",
    ]
    data = json.loads(json.dumps(plain(score.to_dict()), allow_nan=False))
    assert data["accuracy"] == pytest.approx(6 / 7)
    assert (data["items"], data["scored"], data["clusters"]) == (8, 7, 7)
    assert data["modality_accuracy"] is None


def test_parts_are_by_what_differs_only_and_columns_of_the_task() -> None:
    rows = [
        _one(n, float(n % 2), modality="CT_SCAN" if n < 4 else "MRI_SCAN", tag="CT_SCAN", source="s",
             subgroup={"sex": "f"} if n % 2 else {})
        for n in range(8)
    ]  # fmt: skip
    score = TaskScore.of("t", SPEC, rows)
    assert set(score.parts) == {"modality", "sex"}
    assert score.parts["sex"]["f"].credit.estimate == 1
    assert score.parts["sex"]["not given"].credit.estimate == 0
    assert score.whole.modality.estimate == 0.5
    assert score.parts["modality"]["MRI_SCAN"].modality.estimate == 0


def test_items_that_are_missing_and_rows_that_were_not_expected_are_said() -> None:
    score = TaskScore.of("t", SPEC | {"rows": 9}, [_one(n, 1.0, cluster="c") for n in ()] + [_one(0, 1.0)])
    assert score.warnings[:2] == ["9 rows, 8 expected", "1 of 9 items"]


def test_grades_are_out_of_five_and_in_no_mean_of_accuracies() -> None:
    graded = TaskScore.of("report", SPEC | {"scoring": "rubric"}, [_one(n, 0.6) for n in range(8)])
    rated = TaskScore.of("vqa", SPEC, [_one(n, float(n % 2)) for n in range(8)])
    completions = {"report": [_one(n, 0.6) for n in range(8)], "vqa": [_one(n, float(n % 2)) for n in range(8)]}
    found = EvaluationScore.of({"name": "m"}, [graded, rated], completions)
    assert found.macro.tasks == found.micro.tasks == ("vqa",)
    assert found.macro.interval.estimate == 0.5
    data = found.to_dict()
    assert data["tasks"]["report"]["score"] == pytest.approx(3.0)
    assert "accuracy" not in data["tasks"]["report"]
    assert any("no accuracies" in note for note in data["notes"])
    assert found.tables()[0].rows[0][1].endswith("of 5")


def test_macro_gives_tasks_and_micro_completions_equal_weight() -> None:
    """90 of 100 and 2 of 10: macro (0.9 + 0.2) / 2 = 0.55, micro 92 / 110. A cluster is one of its task."""
    rows = {"a": [_one(n, float(n < 90)) for n in range(100)], "b": [_one(n, float(n < 2)) for n in range(10)]}
    found = EvaluationScore.of({}, [TaskScore.of(name, SPEC, rows[name]) for name in rows], rows)
    assert found.macro.interval.estimate == pytest.approx(0.55)
    assert found.micro.interval == wilson(92, 110)
    one, other = wilson(90, 100), wilson(2, 10)
    half = ((one.high - 0.9) ** 2 + (other.high - 0.2) ** 2) ** 0.5 / 2
    assert found.macro.interval.high == pytest.approx(0.55 + half)


def test_nothing_scored_is_no_number() -> None:
    rows = {"a": [_one(0, None)]}
    found = EvaluationScore.of({}, [TaskScore.of("a", SPEC, rows["a"])], rows)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["macro"]["estimate"] is None
    assert data["tasks"]["a"]["accuracy"] is None
    assert data["judge"] == "none"
    assert len(found.tables()) == 1


def test_the_corrected_accuracy_takes_verdicts_by_rule_as_they_are() -> None:
    """80 by the judge, 66 % of them right: 0.7 corrected; 20 by rule, all right: 0.8 · 0.7 + 0.2 · 1 = 0.76."""
    errors = JudgeErrors("scripted", wilson(900, 1000), wilson(900, 1000))
    rows = [_one(n, float(n < 66)) for n in range(100)]
    rows += [_one(100 + n, 1.0, by="rule", judge="option/1") for n in range(25)]
    score = TaskScore.of("t", SPEC, rows, errors)
    assert score.corrected is not None
    assert score.corrected.estimate == pytest.approx(0.76)
    assert score.corrected.low < 0.76 < score.corrected.high
    assert score.corrected.count == 125
    with pytest.raises(ValueError, match="t: judged by scripted, not by another"):
        TaskScore.of("t", SPEC, rows, JudgeErrors("another", wilson(9, 10), wilson(9, 10)))
    with pytest.raises(ValueError, match="no verdict is of scripted"):
        TaskScore.of("t", SPEC, rows[100:], errors)


def test_several_completions_of_an_item_are_no_independent_items() -> None:
    rows = [_one(n % 10, float(n % 10 < 5)) for n in range(40)]
    score = TaskScore.of("t", SPEC, rows)
    assert (score.whole.items, score.whole.completions, score.whole.credit.clusters) == (10, 40, 10)
    assert score.whole.credit == proportion([float(n % 10 < 5) for n in range(40)], [n % 10 for n in range(40)])
    assert score.repeated is not None
    assert score.repeated.samples == 4


def test_completions_are_joined_with_the_last_verdict_on_each() -> None:
    generation = {"item": "i", "cluster": "c", "question": "q", "references": ["r"], "completion": "x", "answer": "x"}
    rows = [{**generation, "key": f"g{k}", "k": k} for k in (1, 0)]
    rows += [{**generation, "key": "f", "k": 2, "completion": None, "answer": None, "failure": "refused"}]
    verdicts = [
        {"generation": "g0", "credit": 0.0, "by": "judge", "judge": "j"},
        {"generation": "g0", "credit": 1.0, "by": "judge", "judge": "j"},
        {"generation": "gone", "credit": 1.0, "by": "judge", "judge": "j"},
    ]
    found = list(joined(rows, verdicts))
    assert [(one.k, one.credit, one.reason) for one in found] == [
        (0, 1.0, ""),
        (1, None, "not judged yet"),
        (2, None, "no completion: refused"),
    ]
    assert [one.by for one in found] == ["judge", "", ""]
