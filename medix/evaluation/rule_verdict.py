"""Verdicts without a judge: choices, exact matches, yes and no."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from medix.evaluation.closed_rule import closed_words
from medix.evaluation.option_rule import VERSION, option_of
from medix.judge.hybrid import rule_exact
from medix.judge.options import choice_letter, lone_letter
from medix.types import JudgeQuestion

OF_RULES = "rule/"
"""How the identity of rules begins, whichever their version."""

IDENTITY = f"{OF_RULES}{VERSION}"
"""Of what decides without a judge."""


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
    end, nothing at all. With the rule ``option`` a choice that is named decides.
    With ``exact`` the text of a choice decides, whichever is right; without choices an answer is right that is
    literally a reference, and the word or its initial decides where that is yes or no, or true or false. So is an alias
    right, which only the right choice has. A letter that is also the text of another choice decides nothing.

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


def is_unclear_letter(row: Mapping[str, Any], answer: str) -> bool:
    """Whether an answer to a question with choices is a single letter; asked where ``option`` could not read it.

    Then only who sees the choices can: the letter may be a text, an alias, a word or the initial of one.
    """
    return bool(row["choices"]) and row["answer_index"] is not None and bool(lone_letter(answer))


def question_of(row: Mapping[str, Any]) -> JudgeQuestion:
    """What a judge is asked about a completion: of a choice its text, and its letter with its text."""
    reference, *aliases = row["references"]
    index = row["answer_index"]
    if index is not None:
        aliases = [f"{choice_letter(index)}. {reference}", *aliases]
    return JudgeQuestion(row["question"], reference, row["answer"], tuple(aliases))


def _option(row: Mapping[str, Any], answer: str) -> RuleVerdict | None:
    choices, right = row["choices"] or [], row["answer_index"]
    if right is None or not choices:
        return None
    given = option_of(answer, choices, is_cut=row["finish_reason"] == "length")
    if given is not None:
        named = f"choice {choice_letter(given)} is named, {choice_letter(right)} is right"
        return RuleVerdict(float(given == right), named)
    return None


def _exact(row: Mapping[str, Any], answer: str) -> RuleVerdict | None:
    if (found := closed_words(row, answer)) is not None:
        said, wanted = found
        return RuleVerdict(
            float(said == wanted), f"{said} in place of {wanted}" if said != wanted else f"it says {said}"
        )
    if is_unclear_letter(row, answer):
        return None
    reference, *aliases = row["references"]
    if row["choices"] and row["answer_index"] is not None:
        reference = ""  # a choice as the others are, which have been compared
    ruling = rule_exact(JudgeQuestion(row["question"], reference, answer, tuple(aliases)))
    return None if ruling is None else RuleVerdict(float(ruling.is_right), ruling.why)
