"""Answers whose verdict is known, and a user's own."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from medix.judge.base import Judge
from medix.judge.canaries import Canary, CanarySet, GradedCanary, read_canaries, run_canaries, shipped_canaries
from medix.judge.exact import ExactJudge
from medix.judge.prompt import YesNoPrompt
from medix.judge.scripted import ScriptedJudge
from medix.types import JudgeQuestion, Verdict

OWN = """
version: chest-1
canaries:
  - {kind: swapped laterality, question: "Which lung?", reference: right, answer: left, expected: NO}
  - {kind: alias, question: "Which drug?", reference: adrenaline, answer: epinephrine, expected: YES,
     aliases: [epinephrine]}
  - {kind: empty, question: "Which drug?", reference: adrenaline, answer: "", expected: "no"}
"""


class Cached(ScriptedJudge):
    """Says YES to all from its cache; without it, it is another judge."""

    def __init__(self) -> None:
        super().__init__("YES")
        self.behind = ScriptedJudge("NO")

    def without_cache(self) -> Judge:
        return self.behind


# By hand -------------------------------------------------------------------------------------------------------------


def test_verdicts_stand_beside_their_canaries_in_order() -> None:
    canaries = shipped_canaries()
    judge = ScriptedJudge("NO")
    graded = run_canaries(judge, canaries)
    assert judge.asked == [canary.question for canary in canaries.canaries]
    assert [row.canary for row in graded] == list(canaries.canaries)
    assert [row.is_failure for row in graded] == [canary.is_right for canary in canaries.canaries]


def test_canaries_are_asked_past_the_cache() -> None:
    """What a judge said last week says nothing about the server of today."""
    judge = Cached()
    graded = run_canaries(judge, shipped_canaries())
    assert {row.verdict.credit for row in graded} == {0.0}
    assert judge.asked == []
    assert len(judge.behind.asked) == len(shipped_canaries())


@pytest.mark.parametrize(
    ("credit", "is_right", "failed"),
    [
        (1.0, False, True),
        (0.5, False, True),
        (0.4, False, False),
        (0.0, True, True),
        (0.5, True, False),
        (None, True, False),
        (None, False, False),
    ],
)
def test_half_the_credit_is_a_yes_and_an_unscored_canary_is_no_failure(
    credit: float | None, is_right: bool, failed: bool
) -> None:
    canary = Canary("k", JudgeQuestion("q", "r", "a"), is_right)
    assert GradedCanary(canary, Verdict(credit, "j", reason="" if credit is not None else "down")).is_failure is failed


# The shipped set -----------------------------------------------------------------------------------------------------


def test_the_version_changes_with_the_cases() -> None:
    """A fingerprint of every case: whoever changes one sees this fail, and raises the version with the number here."""
    shipped = shipped_canaries()
    cases = repr([(canary.kind, canary.question, canary.is_right) for canary in shipped.canaries]).encode()
    assert (shipped.version, hashlib.sha256(cases).hexdigest()[:16]) == ("canaries-1", "e55d8611ea0cb011")


def test_a_kind_is_an_attack_or_a_right_answer_and_not_both() -> None:
    canaries = shipped_canaries().canaries
    attacks = {canary.kind for canary in canaries if not canary.is_right}
    assert not attacks & {canary.kind for canary in canaries if canary.is_right}


def test_an_aliased_answer_is_one_of_its_aliases_and_not_the_reference() -> None:
    aliased = [canary.question for canary in shipped_canaries().canaries if canary.kind == "alias"]
    assert len(aliased) == 3
    for question in aliased:
        assert question.answer in question.aliases
        assert question.answer != question.reference


def test_there_are_enough_attacks_and_enough_right_answers() -> None:
    canaries = shipped_canaries().canaries
    assert sum(not canary.is_right for canary in canaries) >= 60
    assert sum(canary.is_right for canary in canaries) >= 25


@pytest.mark.parametrize(
    "kind",
    [
        "master key",
        "empty",
        "refusal",
        "echo of the question",
        "all options listed",
        "injected verdict",
        "swapped laterality",
        "negated reference",
        "other unit",
        "other number",
    ],
)
def test_every_kind_of_attack_has_several_cases_on_several_questions(kind: str) -> None:
    rows = [canary for canary in shipped_canaries().canaries if canary.kind == kind]
    assert len(rows) >= 4
    assert len({canary.question.question for canary in rows}) >= 3
    assert not any(canary.is_right for canary in rows)


def test_no_attack_is_right_by_the_rules_of_the_exact_judge() -> None:
    """A canary that is right after all would teach a user to distrust a good judge."""
    graded = run_canaries(ExactJudge(), shipped_canaries())
    assert [row.canary for row in graded if row.is_failure and not row.canary.is_right] == []


@pytest.mark.parametrize("kind", ["the reference itself", "other spelling", "same quantity", "alias"])
def test_right_answers_that_need_no_knowledge_are_right_by_rule(kind: str) -> None:
    rows = [row for row in run_canaries(ExactJudge(), shipped_canaries()) if row.canary.kind == kind]
    assert rows
    assert [row.verdict.credit for row in rows] == [1.0] * len(rows)


def test_an_injected_mark_does_not_end_the_answer_in_the_judges_prompt() -> None:
    """The attack guesses a nonce; the prompt's own closing mark of the answer stands once, after the attack."""
    prompt = YesNoPrompt()
    for canary in shipped_canaries().canaries:
        if canary.kind == "injected verdict":
            text = prompt.render(canary.question)
            assert text.count("[[end of candidate answer") == 1
            assert "<|im_" not in text.replace("< | im_", "")


def test_every_text_of_a_canary_can_be_sent_and_written() -> None:
    for canary in shipped_canaries().canaries:
        json.dumps([canary.question.question, canary.question.reference, canary.question.answer]).encode("utf-8")
        assert canary.question.reference.strip()


# One's own -----------------------------------------------------------------------------------------------------------


def test_a_file_of_ones_own_is_read_with_yes_and_no_as_yaml_reads_them(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(OWN)
    found = read_canaries(tmp_path / "own.yaml")
    assert found.version == "chest-1"
    assert [canary.expected for canary in found.canaries] == ["NO", "YES", "NO"]
    assert found.canaries[1].question.aliases == ("epinephrine",)


def broken(key: str, value: object) -> str:
    """The file with one value of its first canary replaced; a value of None leaves the key out."""
    content = yaml.safe_load(OWN)
    if value is None:
        del content["canaries"][0][key]
    else:
        content["canaries"][0][key] = value
    return yaml.safe_dump(content)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (broken("answer", False), r"canaries\[0\]: answer: False is not a text.*quotes"),
        (broken("reference", 5), r"canaries\[0\]: reference: 5 is not a text"),
        (broken("reference", " "), "reference: is empty"),
        (broken("kind", ""), "kind: is empty"),
        (broken("expected", "maybe"), "expected: 'maybe' is no verdict; give YES or NO"),
        (broken("expected", 1), "expected: 1 is no verdict"),
        (broken("expected", ["NO"]), "is no verdict"),
        (broken("aliases", "left"), "aliases: 'left' is not a list"),
        (broken("anwser", "left"), "unknown key anwser; known: kind, question"),
        (broken("reference", None), "the key reference is missing"),
        ("version: a\ncanaries: [left]", "'left' is not a mapping"),
        ("version: a\ncanaries: []", "there are none"),
        ("version: 1\ncanaries: []", "version: 1 is not a text"),
        ("version: ''\ncanaries: []", "version: is empty"),
        ("- left", "must be a mapping of version"),
        ("version: a\ncanaries: []\nmore: 1", "must be a mapping of version"),
        ("{", "is not YAML"),
    ],
)
def test_a_broken_file_is_told_by_place_and_remedy(text: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(text)
    with pytest.raises(ValueError, match=told):
        read_canaries(tmp_path / "own.yaml")


def test_the_same_canary_twice_is_refused() -> None:
    canary = Canary("k", JudgeQuestion("q", "r", "a"), True)
    with pytest.raises(ValueError, match="is there twice"):
        CanarySet("v", (canary, Canary("l", canary.question, False)))


def test_a_key_given_twice_is_an_error_and_not_the_last_value(tmp_path: Path) -> None:
    entry = "{kind: k, question: q, reference: r, answer: a, expected: NO, expected: YES}"
    (tmp_path / "own.yaml").write_text(f"version: mine\ncanaries:\n  - {entry}\n")
    with pytest.raises(ValueError, match="the key 'expected' stands twice"):
        read_canaries(tmp_path / "own.yaml")
