"""The judge of tests."""

from medix.judge import Score05Rule, ScriptedJudge
from medix.types import JudgeQuestion


def test_replies_go_through_the_real_parser() -> None:
    judge = ScriptedJudge(default="NO", replies={"a": "**yes**", "b": "Eyes", "c": None, "d": "NO, YES"})
    verdicts = judge.grade([JudgeQuestion("q", "r", answer) for answer in "abcde"])
    assert [verdict.credit for verdict in verdicts] == [1.0, None, None, None, 0.0]
    assert verdicts[1].reply == "Eyes"
    assert verdicts[2].reply is None
    assert "cannot be reached" in verdicts[2].reason
    assert all(verdict.judge == "scripted" for verdict in verdicts)


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
