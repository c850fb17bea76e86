"""Completions joined with their verdicts."""

from medix.evaluation.scored_completion import joined


def test_completions_are_joined_with_the_last_verdict_on_each() -> None:
    generation = {"item": "i", "cluster": "c", "question": "q", "references": ["r"], "completion": "x", "answer": "x"}
    rows = [{**generation, "key": f"g{k}", "k": k} for k in (1, 0)]
    rows += [{**generation, "key": "f", "k": 2, "completion": None, "answer": None, "failure": "refused"}]
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
