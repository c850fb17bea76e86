"""Scores of a task from its completions."""

import json
from dataclasses import replace
from typing import Any

import pytest

from medix.evaluation.judge_errors import JudgeErrors
from medix.evaluation.scored_completion import ScoredCompletion
from medix.evaluation.statistics import proportion, wilson
from medix.evaluation.task_score import TaskScore
from medix.reporting.render import plain

SPEC = {"scoring": "binary", "cluster": "item", "expected_rows": 8, "rows": 8, "group": "vlm"}


def _one(n: int, credit: float | None, **fields: Any) -> ScoredCompletion:
    given: dict[str, Any] = {"by": "judge" if credit is not None else "", "judge": "scripted", "format_valid": True}
    given |= {"reason": "" if credit is not None else "down", "modality": None} | fields
    return ScoredCompletion(f"i{n}", 0, f"i{n}", f"q{n}", ("a",), "text", "a", credit, **given)


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


def test_items_that_were_asked_without_their_image_are_told() -> None:
    image = ({"name": "a.png", "sha256": "0"},)
    rows = [_one(0, 1.0, images=image), _one(1, 1.0), _one(2, None)]
    told = "2 of 3 items have no image and were asked without"
    assert told in TaskScore.of("t", SPEC, rows).warnings
    assert not any("image" in one for one in TaskScore.of("t", SPEC, rows[1:]).warnings)  # of a task without images


def test_identical_items_are_told_with_how_they_are_counted() -> None:
    rows = [_one(n, 1.0, subgroup={}) for n in range(5)]
    rows[1] = replace(rows[1], question="q0", cluster="i0")
    rows[3] = replace(rows[3], question="q0")
    rows[4] = replace(rows[4], question="q2", images=({"name": "a.png", "sha256": "0"},))
    warnings = TaskScore.of("t", SPEC, rows).warnings
    same = (
        "1 of 5 items are identical to an earlier one (question, choices, references, images): each counts in the mean"
    )
    assert f"{same}, in intervals all are one" in warnings
    assert f"{same}, so does each in intervals, as their ids differ" in warnings


def test_items_that_pass_at_k_leaves_out_are_told() -> None:
    rows = [replace(_one(n, None if (n, k) == (0, 1) else 1.0), k=k) for n in range(3) for k in range(2)]
    told = "pass at 2 is over 2 of 3 items: the others have fewer scored completions"
    assert told in TaskScore.of("t", SPEC, rows).warnings
    assert not any("pass at" in one for one in TaskScore.of("t", SPEC, rows[2:]).warnings)


def test_items_that_calibration_leaves_out_are_told() -> None:
    rows = [replace(_one(n, None if n == 0 else 1.0), k=k) for n in range(3) for k in range(2)]
    rows += [replace(_one(n, 1.0), k=2, answer="b") for n in range(3)]
    told = "calibration is over 2 of 3 items: the others have no verdict on their most common answer"
    assert told in TaskScore.of("t", SPEC, rows).warnings
    scored = [replace(one, credit=1.0) for one in rows]
    assert not any("calibration" in one for one in TaskScore.of("t", SPEC, scored).warnings)


def test_answers_that_are_none_of_the_choices_are_told() -> None:
    rows = [_one(n, 1.0, choices=("x", "y"), answer_index=n or None) for n in range(2)]
    told = "the answer of 1 of 2 items is none of their choices, so that no letter is right"
    assert told in TaskScore.of("t", SPEC, rows).warnings
    assert not any("choices" in one for one in TaskScore.of("t", SPEC, rows[1:]).warnings)


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
    ruled = TaskScore.of("t", SPEC, rows[100:], errors)
    assert ruled.corrected == ruled.whole.credit


def test_a_judge_without_errors_leaves_the_interval_as_it_is() -> None:
    """Rules that accept right answers alone: each part has one value, and how large the parts are is drawn all the
    same. For independent completions, and for two of each item, one by rule and one by the judge."""
    errors = JudgeErrors("scripted", wilson(10**6, 10**6), wilson(10**6, 10**6))
    kinds: tuple[dict[str, Any], ...] = ({"credit": 1.0, "by": "rule", "judge": "option/1"}, {"credit": 0.0})
    single = [_one(n, **kinds[n % 2]) for n in range(400)]
    double = [_one(n // 2, **kinds[n % 2] | {"credit": float(n < 200)}) for n in range(400)]
    for rows in (single, double):
        score = TaskScore.of("t", SPEC, rows, errors)
        assert score.corrected is not None
        found = score.corrected.low, score.corrected.high
        assert found == pytest.approx((score.whole.credit.low, score.whole.credit.high), abs=0.005)


def test_several_completions_of_an_item_are_no_independent_items() -> None:
    rows = [_one(n % 10, float(n % 10 < 5)) for n in range(40)]
    score = TaskScore.of("t", SPEC, rows)
    assert (score.whole.items, score.whole.completions, score.whole.credit.clusters) == (10, 40, 10)
    assert score.whole.credit == proportion([float(n % 10 < 5) for n in range(40)], [n % 10 for n in range(40)])
    assert score.repeated is not None
    assert score.repeated.samples == 4
    assert not any("completions" in warning for warning in score.warnings)
    assert "39 of 40 completions, so that items do not count alike" in TaskScore.of("t", SPEC, rows[1:]).warnings
