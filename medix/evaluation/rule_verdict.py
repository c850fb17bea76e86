"""Verdicts without a judge: choices, exact matches, yes and no."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from medix.evaluation.option_rule import VERSION, is_no_option, option_of
from medix.judge.clinical.literal import literal
from medix.judge.hybrid import rule_exact
from medix.types import JudgeQuestion

IDENTITY = f"rule/{VERSION}"
"""Of what decides without a judge."""

_CLOSED = frozenset({"yes", "no"})


@dataclass(frozen=True, slots=True)
class RuleVerdict:
    """What a rule decided, and why."""

    credit: float
    explanation: str


def rules_of(spec: Mapping[str, Any]) -> list[str]:
    """The rules of a task, from its ``task.json``; grades are never decided by one."""
    return [] if spec["scoring"] == "rubric" else list(spec["rules"])


def rule_verdict(row: Mapping[str, Any], rules: Collection[str]) -> RuleVerdict | None:
    """The verdict on a completion; None if the rules cannot tell.

    A completion without an answer is wrong: no single ``<answer>`` where one was asked for, reasoning that does not
    end, nothing at all. With the rule ``option`` a choice that is named decides; a letter that no choice has is wrong.
    With ``exact`` an answer is right that is literally a reference, and yes or no decides where the reference is yes or
    no.

    Args:
        row: of ``generations.jsonl``, with a completion and at least one reference.
        rules: those that the task allows.
    """
    answer = row["answer"]
    if answer is None or not answer.strip():
        return RuleVerdict(0.0, "the completion holds no answer")
    if "option" in rules and (found := _option(row, answer)) is not None:
        return found
    return _exact(row, answer) if "exact" in rules else None


def question_of(row: Mapping[str, Any]) -> JudgeQuestion:
    """What a judge is asked about a completion: of a choice its text, and its letter with its text."""
    reference, *aliases = row["references"]
    index = row["answer_index"]
    if index is not None:
        aliases = [f"{chr(ord('A') + index)}. {reference}", *aliases]
    return JudgeQuestion(row["question"], reference, row["answer"], tuple(aliases))


def _option(row: Mapping[str, Any], answer: str) -> RuleVerdict | None:
    choices, right = row["choices"] or [], row["answer_index"]
    if right is None or not choices:
        return None
    given = option_of(answer, choices, row["question"], is_cut=row["finish_reason"] == "length")
    wanted = chr(ord("A") + right)
    if given is not None:
        named = f"choice {chr(ord('A') + given)} is named, {wanted} is right"
        return RuleVerdict(float(given == right), named)
    if is_no_option(answer, choices):
        return RuleVerdict(0.0, f"the letter of no choice is named, {wanted} is right")
    return None


def _exact(row: Mapping[str, Any], answer: str) -> RuleVerdict | None:
    reference, *aliases = row["references"]
    ruling = rule_exact(JudgeQuestion(row["question"], reference, answer, tuple(aliases)))
    if ruling is not None:
        return RuleVerdict(float(ruling.is_right), ruling.why)
    said, wanted = _word(answer), {_word(text) for text in row["references"]}
    if said in _CLOSED and len(wanted) == 1 and wanted <= _CLOSED:
        return RuleVerdict(0.0, f"{said} in place of {wanted.pop()}")
    return None


def _word(text: str) -> str:
    return literal(text).casefold().strip(" .!")
