"""The judge of known error."""

import pytest

from medix.judge import ErringJudge, ExactJudge, ScriptedJudge
from medix.types import JudgeQuestion

QUESTIONS = [JudgeQuestion(f"question {i}", "left", answer) for i in range(2000) for answer in ("left", "right")]


def test_its_errors_have_the_stated_rates_and_do_not_depend_on_order() -> None:
    judge = ErringJudge(ExactJudge(), sensitivity=0.8, specificity=0.95)
    verdicts = judge.grade(QUESTIONS)
    accepted = [bool(verdict.credit) for verdict in verdicts]
    assert sum(accepted[::2]) / 2000 == pytest.approx(0.8, abs=0.03)
    assert sum(accepted[1::2]) / 2000 == pytest.approx(0.05, abs=0.015)
    again = judge.grade(QUESTIONS[::-1])[::-1]
    assert [verdict.credit for verdict in again] == [verdict.credit for verdict in verdicts]
    turned = next(one for one in verdicts[1::2] if one.credit)
    assert (turned.reply, turned.judge) == ("YES", "erring(exact/4, 0.8, 0.95, 0)")
    assert "turned round" in turned.explanation


def test_another_seed_errs_elsewhere_and_certain_rates_are_certain() -> None:
    first, second = ([one.credit for one in ErringJudge(ExactJudge(), seed=seed).grade(QUESTIONS)] for seed in (0, 1))
    assert first != second
    truth = [one.credit for one in ExactJudge().grade(QUESTIONS)]
    assert [one.credit for one in ErringJudge(ExactJudge(), 1.0, 1.0).grade(QUESTIONS)] == truth
    assert [one.credit for one in ErringJudge(ExactJudge(), 0.0, 0.0).grade(QUESTIONS)] == [1 - one for one in truth]


def test_what_has_no_verdict_gets_none_and_rates_are_shares() -> None:
    judge = ErringJudge(ScriptedJudge(None), 0.0, 0.0)
    (verdict,) = judge.grade([JudgeQuestion("q", "r", "\ud800")])
    assert verdict.credit is None
    assert verdict.judge == judge.identity
    with pytest.raises(ValueError, match=r"ErringJudge.specificity: 1.5 is not a share"):
        ErringJudge(ExactJudge(), specificity=1.5)
