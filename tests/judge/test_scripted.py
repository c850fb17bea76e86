"""The judge of tests."""

import re
from pathlib import Path

from medix.judge import Score05Rule, ScriptedJudge
from medix.judge.cached import CachedJudge
from medix.types import JudgeQuestion


def test_replies_go_through_the_real_parser() -> None:
    judge = ScriptedJudge(default="NO", replies={"a": "**yes**", "b": "Eyes", "c": None, "d": "NO, YES"})
    verdicts = judge.grade([JudgeQuestion("q", "r", answer) for answer in "abcde"])
    assert [verdict.credit for verdict in verdicts] == [1.0, None, None, None, 0.0]
    assert verdicts[1].reply == "Eyes"
    assert verdicts[2].reply is None
    assert "cannot be reached" in verdicts[2].reason
    assert all(verdict.judge == judge.identity for verdict in verdicts)


def test_scripts_that_differ_are_different_judges() -> None:
    scripts = [
        ScriptedJudge(),
        ScriptedJudge("NO"),
        ScriptedJudge(None),
        ScriptedJudge("None"),
        ScriptedJudge("YES", {"a": "NO"}),
        ScriptedJudge("YES", {"a": None}),
        ScriptedJudge("YES", rule=Score05Rule()),
    ]
    assert len({judge.identity for judge in scripts}) == len(scripts)
    assert all(re.fullmatch("scripted/[0-9a-f]{8}", judge.identity) for judge in scripts)


def test_the_same_script_is_the_same_judge_in_whatever_order_it_is_written() -> None:
    one, other = ScriptedJudge("YES", {"a": "NO", "\ud800": None}), ScriptedJudge("YES", {"\ud800": None, "a": "NO"})
    assert one.identity == other.identity
    one.grade([JudgeQuestion("q", "r", "a")])
    assert one.identity == other.identity


def test_a_cache_keeps_the_verdicts_of_two_scripts_apart(tmp_path: Path) -> None:
    for reply, credit in (("YES", 1.0), ("NO", 0.0)):
        judge = CachedJudge(ScriptedJudge(reply), str(tmp_path / "verdicts.sqlite"))
        assert judge.grade([JudgeQuestion("q", "r", "a")])[0].credit == credit
        judge.close()


def test_it_remembers_what_it_was_asked() -> None:
    judge = ScriptedJudge()
    judge.grade([JudgeQuestion("q", "r", "a")])
    judge.submit(JudgeQuestion("q", "r", "b"))
    assert [question.answer for question in judge.asked] == ["a", "b"]


def test_a_default_of_none_is_a_judge_that_is_down() -> None:
    assert ScriptedJudge(default=None).grade([JudgeQuestion("q", "r", "a")])[0].credit is None


def test_another_rule_reads_other_replies() -> None:
    judge = ScriptedJudge(default='{"score": 4}', rule=Score05Rule())
    assert judge.grade([JudgeQuestion("q", "r", "a")])[0].credit == 4.0
