"""Which text of a completion a verdict was reached on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from medix.evaluation.rule_verdict import IDENTITY

_LAST_WITHOUT = "rule/option-5"
"""What decided without a judge when rows had no digest yet."""


def text_digest(generation: Mapping[str, Any]) -> str:
    """A hash of completion and answer, which stands in the rows of verdicts on them."""
    return _digest({"completion": generation["completion"], "answer": generation["answer"]})


def verdict_key(
    generation: Mapping[str, Any],
    judge: str | None,
    prompt: str,
    rules: Sequence[str],
    scoring: str,
    identity: str = IDENTITY,
) -> str:
    """The key of the verdict on a completion.

    Args:
        generation: row of the completion.
        judge: who is asked where no rule decides, as rows name it; None for nobody.
        prompt: version of the prompt that the judge is asked with.
        rules: of the task.
        scoring: of the task.
        identity: of what decides without a judge.
    """
    content = {
        "generation": generation["key"],
        "completion": generation["completion"],
        "answer": generation["answer"],
        "judge": judge,
        "prompt": prompt,
        "rules": [*rules, identity],
        "scoring": scoring,
    }
    return _digest(content)


class JudgedTexts:
    """Tells verdicts on the present text of a completion from those on an earlier one.

    A completion that was made anew, or a file that was exchanged, keeps its key: item, prompt and model are the same.
    Rows of verdicts that were written before they had a digest are checked by their own key, which holds the text. A
    row whose key cannot be computed again, because no row says which judge its file is of, is on another text.

    Args:
        verdicts: all rows of a file.
        rules: of the task.
        scoring: of the task.
    """

    def __init__(self, verdicts: Sequence[Mapping[str, Any]], rules: Sequence[str], scoring: str) -> None:
        self._rules = rules
        self._scoring = scoring
        named = ((row.get("judge"), row.get("prompt_version") or "") for row in verdicts if row.get("by") == "judge")
        self._judges = dict.fromkeys([*named, (None, "")])
        by_rule = (row["judge"] for row in verdicts if row.get("by") == "rule" and row.get("judge"))
        self._identities = dict.fromkeys([IDENTITY, _LAST_WITHOUT, *by_rule])

    def holds(self, verdict: Mapping[str, Any], generation: Mapping[str, Any]) -> bool:
        """Whether a verdict was reached on what the completion and its answer are now."""
        if "text" in verdict:
            return bool(verdict["text"] == text_digest(generation))
        rules, scoring = verdict.get("rules", self._rules), verdict.get("scoring", self._scoring)
        return any(
            verdict.get("key") == verdict_key(generation, judge, prompt, rules, scoring, identity)
            for judge, prompt in self._judges
            for identity in self._identities
        )


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
