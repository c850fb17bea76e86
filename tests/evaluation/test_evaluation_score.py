"""Averages over tasks."""

import csv
import io
import json
from dataclasses import replace

import pytest

from medix.evaluation.evaluation_score import EvaluationScore
from medix.evaluation.few_clusters import few_note
from medix.evaluation.scored_completion import ScoredCompletion
from medix.evaluation.statistics import wilson
from medix.evaluation.task_score import TaskScore
from medix.reporting.evaluation_page import EvaluationPage

SPEC = {"scoring": "binary", "cluster": "item", "expected_rows": 8, "rows": 8, "group": "vlm"}


def _one(n: int, credit: float | None) -> ScoredCompletion:
    by = "judge" if credit is not None else ""
    return ScoredCompletion(f"i{n}", 0, f"i{n}", "q", ("a",), "text", "a", credit, by=by, judge="scripted")


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


def test_a_mean_over_nothing_has_no_ends() -> None:
    rows = {"report": [_one(n, 0.6) for n in range(8)]}
    score = EvaluationScore.of({}, [TaskScore.of("report", SPEC | {"scoring": "rubric"}, rows["report"])], rows)
    lines = {row["task"]: row for row in csv.DictReader(io.StringIO(EvaluationPage(score.to_dict(), ()).csv()))}
    for name in ("macro", "micro"):
        assert [lines[name][column] for column in ("value", "low", "high")] == ["", "", ""]


def test_it_is_said_which_grades_count_as_right() -> None:
    rows = [replace(_one(n, 0.6), k=k) for n in range(2) for k in range(2)]
    graded = TaskScore.of("report", SPEC | {"scoring": "rubric"}, rows)
    notes = EvaluationScore.of({}, [graded], {"report": rows}).notes
    assert "Of several completions those are called right whose grade is at least 2.5." in notes


def test_macro_gives_tasks_and_micro_completions_equal_weight() -> None:
    """90 of 100 and 2 of 10: macro (0.9 + 0.2) / 2 = 0.55, micro 92 / 110. A cluster is one of its task."""
    rows = {"a": [_one(n, float(n < 90)) for n in range(100)], "b": [_one(n, float(n < 2)) for n in range(10)]}
    found = EvaluationScore.of({}, [TaskScore.of(name, SPEC, rows[name]) for name in rows], rows)
    assert found.macro.interval.estimate == pytest.approx(0.55)
    assert found.micro.interval == wilson(92, 110)
    one, other = wilson(90, 100), wilson(2, 10)
    half = ((one.high - 0.9) ** 2 + (other.high - 0.2) ** 2) ** 0.5 / 2
    assert found.macro.interval.high == pytest.approx(0.55 + half)


def test_averages_of_tasks_on_the_same_images_count_these_once() -> None:
    """Two tasks that are right on the same images have a mean that varies as one of them does."""
    image = {"sha256": "", "name": "x"}
    rows = {
        name: [replace(_one(n, float(n % 2)), images=({**image, "sha256": f"s{n}"},)) for n in range(40)]
        for name in ("a", "b")
    }
    alone = TaskScore.of("a", SPEC, rows["a"])
    found = EvaluationScore.of({}, [alone, TaskScore.of("b", SPEC, rows["b"])], rows)
    whole = alone.whole.credit
    assert (found.macro.interval.low, found.macro.interval.high) == pytest.approx((whole.low, whole.high))
    assert found.macro.interval.method == "tasks with shared units"
    assert found.macro.interval.clusters == found.micro.interval.clusters == 40
    assert "a, b share images, cases or questions: intervals of means count what they share." in found.notes
    apart = {"a": rows["a"], "b": [replace(one, images=()) for one in rows["b"]]}
    found = EvaluationScore.of({}, [TaskScore.of(name, SPEC, apart[name]) for name in apart], apart)
    assert found.macro.interval.high - 0.5 == pytest.approx((whole.high - 0.5) / 2**0.5)
    assert found.macro.interval.method == "independent tasks"


def test_nothing_scored_is_no_number() -> None:
    rows = {"a": [_one(0, None)]}
    found = EvaluationScore.of({}, [TaskScore.of("a", SPEC, rows["a"])], rows)
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["macro"]["estimate"] is None
    assert data["tasks"]["a"]["accuracy"] is None
    assert data["judge"] == "none"
    assert len(found.tables()) == 1


def test_few_clusters_are_marked_in_both_tables() -> None:
    rows = [replace(_one(n, 1.0), source="few" if n < 3 else "many") for n in range(40)]
    found = EvaluationScore.of({}, [TaskScore.of("a", SPEC, rows)], {"a": rows})
    whole, parts = found.tables()
    assert whole.rows[0][whole.columns.index("Clusters")] == "40 items"
    assert [(row[0], row[parts.columns.index("Clusters")]) for row in parts.rows] == [("few", "3 *"), ("many", "37")]
    assert few_note() in found.notes[-1]
