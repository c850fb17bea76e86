"""Completions joined with their verdicts."""

import pytest

from medix.evaluation.judged_text import text_digest
from medix.evaluation.scored_completion import OTHER_TEXT, ScoredCompletion, joined

GENERATION = {"item": "i", "cluster": "c", "question": "q", "references": ["r"], "completion": "x", "answer": "x"}


def test_rows_of_another_evaluation_are_refused() -> None:
    """An item with two answers of two models would count twice, and as two samples of one model."""
    rows = [{**GENERATION, "key": key, "k": 0} for key in ("one", "other")]
    with pytest.raises(ValueError, match=r"t/generations\.jsonl: holds completion 0 of item i twice, as the rows one"):
        list(joined({"name": "t", "scoring": "binary", "rules": []}, rows, []))


def test_completions_are_joined_with_the_last_verdict_on_each() -> None:
    rows = [{**GENERATION, "key": f"g{k}", "k": k} for k in (1, 0)]
    rows += [{**GENERATION, "key": "f", "k": 2, "completion": None, "answer": None, "failure": "refused"}]
    verdict = {"generation": "g0", "by": "judge", "judge": "j", "text": text_digest(GENERATION)}
    verdicts = [verdict | {"credit": credit} for credit in (0.0, 1.0)] + [
        verdict | {"generation": "gone", "credit": 1.0}
    ]
    found = list(joined({"scoring": "binary", "rules": []}, rows, verdicts))
    assert [(one.k, one.credit, one.reason) for one in found] == [
        (0, 1.0, ""),
        (1, None, "not judged yet"),
        (2, None, "no completion: refused"),
    ]
    assert [one.by for one in found] == ["judge", "", ""]


def test_a_verdict_on_another_text_leaves_a_completion_unscored_unless_there_is_one_on_this() -> None:
    """The key of a completion that is made anew, or of an exchanged file, is the same."""
    now = {**GENERATION, "key": "g", "k": 0}
    of_another = {"generation": "g", "credit": 1.0, "by": "judge", "judge": "j", "text": "of another"}
    of_this = {**of_another, "credit": 0.0, "text": text_digest(now)}
    for verdicts, credit, reason in (([of_another], None, OTHER_TEXT), ([of_this, of_another], 0.0, "")):
        (found,) = joined({"scoring": "binary", "rules": []}, [now], verdicts)
        assert (found.credit, found.reason, found.by) == (credit, reason, "" if credit is None else "judge")


@pytest.mark.parametrize(
    ("answer", "choices", "meaning"),
    [
        (None, ("yes", "no"), None),
        ("B", ("left", "right"), 1),
        ("y", ("yes", "no"), 0),
        ("y", (), "yes"),
        ("No.", (), "no"),
        ("perhaps", (), "perhaps"),
        ("5 mg", ("5 mg", "10 mg"), 0),
        ("2.5 mg", ("5 mg", "10 mg"), "2.5 mg"),
        (".25", ("25", "10"), ".25"),
    ],
)
def test_the_meaning_of_an_answer_is_what_rules_read(
    answer: str | None, choices: tuple[str, ...], meaning: int | str | None
) -> None:
    right = 0 if choices else None
    one = ScoredCompletion("i", 0, "i", "q", ("yes",), "t", answer, 1.0, choices=choices, answer_index=right)
    assert one.meaning == meaning
