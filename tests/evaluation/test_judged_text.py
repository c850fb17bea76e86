"""Verdicts on the present text of a completion, and on an earlier one."""

from typing import Any

import pytest

from medix.evaluation.judged_text import JudgedTexts, text_digest, verdict_key

NOW: dict[str, Any] = {"key": "g", "completion": "<answer>left</answer>", "answer": "left"}
BEFORE = NOW | {"completion": "<answer>right</answer>", "answer": "right"}
RULES = ["exact"]


def row(generation: dict[str, Any], by: str = "judge", judge: str | None = "j", **fields: Any) -> dict[str, Any]:
    """A row as it was written before rows had a digest."""
    prompt = "yes-no-6" if judge else ""
    named = {"judge": judge, "prompt_version": prompt} if by == "judge" else {"judge": "rules/1", "prompt_version": ""}
    key = verdict_key(generation, judge, prompt, RULES, "binary")
    return {"key": key, "generation": "g", "by": by, "rules": RULES, "scoring": "binary", **named, **fields}


@pytest.mark.parametrize(
    ("verdicts", "holds"),
    [
        ([row(NOW, text=text_digest(NOW))], True),
        ([row(NOW, text=text_digest(BEFORE))], False),
        ([row(BEFORE, text=text_digest(NOW))], True),
        ([row(NOW)], True),
        ([row(BEFORE)], False),
        ([row(NOW, "rule", None)], True),
        ([row(BEFORE, "rule", None)], False),
        ([row(NOW, "rule"), row(BEFORE)], True),  # another row says which judge the file is of
        ([row(NOW, "rule")], False),  # none does
        ([row(NOW) | {"key": "of one's own"}], False),
        ([row(NOW) | {"key": verdict_key(NOW, "j", "yes-no-6", RULES, "binary", "rule/option-5")}], True),
        ([row(NOW) | {"key": verdict_key(BEFORE, "j", "yes-no-6", RULES, "binary", "rule/option-5")}], False),
    ],
)
def test_rows_say_what_they_were_reached_on_by_their_digest_or_their_key(
    verdicts: list[dict[str, Any]], holds: bool
) -> None:
    assert JudgedTexts(verdicts, RULES, "binary").holds(verdicts[0], NOW) == holds


def test_the_digest_is_of_completion_and_answer_and_takes_any_text() -> None:
    changed = [NOW | {"completion": "x"}, NOW | {"answer": None}, NOW | {"answer": "\ud800"}]
    assert len({text_digest(one) for one in (NOW, *changed)}) == 4
    assert text_digest(NOW | {"key": "other"}) == text_digest(NOW)
