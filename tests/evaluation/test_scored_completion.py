"""Completions joined with their verdicts."""

import pytest

from medix.evaluation.scored_completion import joined

GENERATION = {"item": "i", "cluster": "c", "question": "q", "references": ["r"], "completion": "x", "answer": "x"}


def test_rows_of_another_evaluation_are_refused() -> None:
    """An item with two answers of two models would count twice, and as two samples of one model."""
    rows = [{**GENERATION, "key": key, "k": 0} for key in ("one", "other")]
    with pytest.raises(ValueError, match=r"t/generations\.jsonl: holds completion 0 of item i twice, as the rows one"):
        list(joined({"name": "t", "scoring": "binary", "rules": []}, rows, []))


def test_completions_are_joined_with_the_last_verdict_on_each() -> None:
    rows = [{**GENERATION, "key": f"g{k}", "k": k} for k in (1, 0)]
    rows += [{**GENERATION, "key": "f", "k": 2, "completion": None, "answer": None, "failure": "refused"}]
    verdicts = [
        {"generation": "g0", "credit": 0.0, "by": "judge", "judge": "j"},
        {"generation": "g0", "credit": 1.0, "by": "judge", "judge": "j"},
        {"generation": "gone", "credit": 1.0, "by": "judge", "judge": "j"},
    ]
    found = list(joined({"scoring": "binary", "rules": []}, rows, verdicts))
    assert [(one.k, one.credit, one.reason) for one in found] == [
        (0, 1.0, ""),
        (1, None, "not judged yet"),
        (2, None, "no completion: refused"),
    ]
    assert [one.by for one in found] == ["judge", "", ""]
