"""Verdicts of the rewards are used again only where the judge of the accuracy gave them to this very question."""

import dataclasses
import math
from collections.abc import Sequence

import pytest

from medix.callbacks.judged_groups import NoJudge, judge_groups, verdicts_of_rewards
from medix.judge.base import Judge
from medix.judge.exact import ExactJudge
from medix.judge.hybrid import HybridJudge
from medix.judge.own_arguments import named
from medix.rewards import (
    AbstentionAnswer,
    AnswerRule,
    JudgeReward,
    PublishedAnswer,
    RewardSuite,
    StrictAnswer,
    Weighted,
)
from medix.types import JudgeQuestion, Sample, Verdict
from tests.judge.test_own_arguments import Contains
from tests.support.asked import Counting, Raising, TooFew
from tests.support.fake_training import (
    MODALITIES,
    CountingJudge,
    FakeSuite,
    make_group,
    make_sample,
    score_by,
    write,
)


def test_a_verdict_by_a_judge_of_ones_own_with_other_arguments_is_not_that_of_the_validation() -> None:
    """``the lung`` is right for the rewards alone; both judges have one identity."""
    rewards = RewardSuite({"judge": Weighted(JudgeReward(Contains(strict=False)), 1.0)})
    groups = [make_group(make_sample(1), [write("X_RAY", "the lung")])]
    scored = rewards.score_groups(groups)
    (verdicts,) = judge_groups(scored, MODALITIES, Contains(), rewards.asked(groups))
    assert (scored[0].scores[0].total, verdicts[0].credit) == (1.0, 0.0)


def test_no_single_answer_is_wrong_and_the_judge_is_not_asked() -> None:
    judge = CountingJudge("own")
    texts = ["<X_RAY><think>a</think>", write("X_RAY", "lung") + "<answer>lung</answer>", write("X_RAY", "lung")]
    scored = FakeSuite(CountingJudge()).score_groups([make_group(make_sample(1), texts)])
    (verdicts,) = judge_groups(scored, MODALITIES, judge)
    assert [verdict.credit for verdict in verdicts] == [0.0, 0.0, 1.0]
    assert len(judge.asked) == 1


def test_without_any_judge_an_answer_is_unscored_and_says_so() -> None:
    group = make_group(make_sample(1), [write("X_RAY", "lung")])
    ((verdict,),) = judge_groups([score_by([1.0], group)], MODALITIES, NoJudge())
    assert (verdict.credit, verdict.judge) == (None, "none")
    assert "no judge: set `judge` in the spec" in verdict.reason


@pytest.mark.parametrize("judge", [Raising(), Counting(5.0), TooFew()], ids=["raises", "off the scale", "too few"])
def test_a_judge_that_breaks_leaves_answers_unscored_and_the_run_goes_on(judge: Counting) -> None:
    group = make_group(make_sample(1), [write("X_RAY", "lung")])
    scored = FakeSuite(CountingJudge()).score_groups([group])
    ((verdict,),) = judge_groups(scored, MODALITIES, judge)
    assert (verdict.credit, verdict.judge) == (None, "counting")
    assert "the judge " in verdict.reason


def test_a_judge_behind_rules_is_not_asked_again_about_what_the_rewards_asked() -> None:
    inner = CountingJudge()
    judge = HybridJudge(inner)
    suite = RewardSuite({"judge": Weighted(JudgeReward(judge), 1.0)})
    [scored] = suite.score_groups([make_group(make_sample(1, "X_RAY"), [write("X_RAY", "lung"), write("X_RAY", "x")])])
    asked = list(inner.asked)
    [verdicts] = judge_groups([scored], MODALITIES, judge)
    assert inner.asked == asked
    assert [verdict.is_scored for verdict in verdicts] == [True, True]


class _CountingExact(ExactJudge):
    count = 0

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        self.count += len(questions)
        return super().grade(questions)


def test_accuracy_does_not_depend_on_what_the_rewards_asked_the_judge() -> None:
    """The published rule asks without aliases and without outer periods: .5 mm would be judged as 5 mm."""
    rows = [("5 mm", (), ".5mm", 0.0), ("lung", ("airways",), "airways", 1.0), ("lung", (" ",), "Lung", 1.0)]
    groups = [
        make_group(
            dataclasses.replace(make_sample(number), reference=reference, aliases=aliases), [write("X_RAY", answer)]
        )
        for number, (reference, aliases, answer, _) in enumerate(rows)
    ]
    asked = {}
    for rule in (PublishedAnswer(), StrictAnswer()):
        judge = _CountingExact()
        suite = RewardSuite({"judge": Weighted(JudgeReward(answer_rule=rule), 1.0)}, judge=judge)
        scored = suite.score_groups(groups)
        judge.count = 0
        verdicts = judge_groups(scored, MODALITIES, judge, suite.asked(groups))
        assert [verdict.credit for (verdict,) in verdicts] == [credit for *_, credit in rows]
        asked[type(rule)] = judge.count
    assert asked == {PublishedAnswer: 2, StrictAnswer: 0}


def test_a_verdict_is_taken_before_that_of_a_component_that_had_no_time() -> None:
    """Both components asked one judge the same; whichever stands first, its verdict counts."""
    group = make_group(make_sample(1), [write("X_RAY", "lung")])
    judge, down = CountingJudge(), CountingJudge(fails_on=["lung"])
    (late,), (given,) = (FakeSuite(one).score_groups([group])[0].scores for one in (down, judge))
    for order in ((late, given), (given, late)):
        parts = {str(place): scores.components["judge"] for place, scores in enumerate(order)}
        scored = dataclasses.replace(score_by([1.0], group), scores=(dataclasses.replace(given, components=parts),))
        judge.asked.clear()
        ((verdict,),) = judge_groups([scored], MODALITIES, judge)
        assert (verdict.credit, judge.asked) == (1.0, [])


def _of_rewards(rule: AnswerRule, answers: Sequence[str], sample: Sample, judge: Judge) -> list[Verdict]:
    """What the rewards know of the answers, of which the last completion has none."""
    suite = RewardSuite({"judge": Weighted(JudgeReward(judge, rule), 1.0)})
    group = make_group(sample, [*(write("X_RAY", answer) for answer in answers), "<X_RAY><think>lung</think>"])
    scored = suite.score_groups([group])
    (found,) = verdicts_of_rewards(scored, MODALITIES, judge, "judge", rule, suite.asked([group]))
    return found


def test_what_an_answer_rule_decides_is_told_as_its_verdict_and_the_judge_is_not_asked_again() -> None:
    """The answers equal the reference, are judged, and are not valid by the published rule (one character)."""
    judge = CountingJudge()
    found = _of_rewards(PublishedAnswer(), ["lung", "heart", "B"], make_sample(1, "X_RAY"), judge)
    asked = [question.answer for question in judge.asked]
    assert [one.credit for one in found] == [1.0, 0.0, 0.0, 0.0]
    rule, own = "answer rule PublishedAnswer", named(judge)
    assert [one.whose for one in found[:3]] == [rule, own, rule]
    assert found[3].whose == own
    assert asked == ["heart", "<X_RAY><think>lung</think>"]


def test_a_verdict_on_the_question_of_the_answer_rule_says_so() -> None:
    """The published rule leaves out aliases: the judge was asked another question than in a validation."""
    sample = dataclasses.replace(make_sample(1, "X_RAY"), aliases=("airways",))
    found = _of_rewards(PublishedAnswer(), ["airways"], sample, Contains(strict=False))
    assert (found[0].credit, found[0].whose) == (0.0, f"{named(Contains(strict=False))} asked by PublishedAnswer")
    assert found[1].whose == named(Contains(strict=False))


def test_an_answer_to_which_the_rule_gives_less_than_all_is_not_right() -> None:
    rule = AbstentionAnswer(0.2)
    found = _of_rewards(rule, ["I don't know", "lung"], make_sample(1, "X_RAY"), CountingJudge())
    assert [one.credit for one in found] == [0.0, 1.0, 0.0]
    named_by = "answer rule AbstentionAnswer over StrictAnswer"
    assert (found[0].judge, "gave 0.2" in found[0].explanation) == (named_by, True)


def test_verdicts_by_rules_over_different_rules_are_not_by_one() -> None:
    sample = dataclasses.replace(make_sample(1, "X_RAY"), aliases=("airways",))
    for inner, who in ((StrictAnswer(), []), (PublishedAnswer(), [" asked by AbstentionAnswer over PublishedAnswer"])):
        first, *_ = _of_rewards(AbstentionAnswer(0.2, answer_rule=inner), ["airways"], sample, CountingJudge())
        assert first.whose == named(CountingJudge()) + "".join(who)


def test_where_the_rewards_know_nothing_a_completion_is_unscored_with_the_reason() -> None:
    group = make_group(make_sample(1), [write("X_RAY", "lung")])
    for component, reason in (("judge", "judge is down"), ("other", "the rewards have no verdict of it")):
        scored = [score_by([math.nan], group)]
        ((verdict,),) = verdicts_of_rewards(scored, MODALITIES, CountingJudge(), component, StrictAnswer(), {})
        assert (verdict.credit, verdict.judge, verdict.reason) == (None, "counting/v1", reason)
