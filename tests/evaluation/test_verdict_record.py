"""Verdicts on record stand before every judge."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from medix.evaluation.verdict_record import RunJudge, VerdictRecord, replay_judges, replayed
from medix.judge.base import Judge
from medix.judge.exact import ExactJudge
from medix.judge.hybrid import HybridJudge
from medix.judge.own_arguments import named, on_record
from medix.judge.panel import PanelJudge
from medix.judge.prompt_rubric import ReportRubricPrompt
from medix.reporting.record import CompletionRecord, record_group
from medix.rewards.answer import PublishedAnswer
from medix.rewards.judged import JudgeReward
from medix.rewards.rubric import RubricReward
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.types import JudgeQuestion, Verdict
from tests.judge.test_own_arguments import Contains, Plain
from tests.support.fake_training import MODALITIES, CountingJudge, make_group, make_sample, write

QUESTION = JudgeQuestion("Which organ?", "lung", "the lung")


class Far(CountingJudge):
    """One that would be asked over a network: it takes questions without making the asker wait."""

    def submit(self, question: JudgeQuestion):  # type: ignore[no-untyped-def]
        raise AssertionError("nothing may be asked")

    def asking(self, prompt: object) -> Judge:
        return Far(f"{self.name}/{prompt.version}")  # type: ignore[attr-defined]


def _recorded(
    judge: Judge, rule: PublishedAnswer | None = None, name: str = "judge", verdicts: Sequence[Verdict] | None = None
) -> list[CompletionRecord]:
    reward = RewardSuite({name: Weighted(JudgeReward(judge, rule), 1.0)}, modalities=MODALITIES)
    (group,) = reward.score_groups([make_group(make_sample(1), [write("X_RAY", "the lung."), write("X_RAY", "lung")])])
    return record_group(group, MODALITIES, step=1, split="train", verdicts=verdicts)


def _by(judge: Judge, credit: float | None, reason: str = "") -> Verdict:
    (verdict,) = on_record(judge, [Verdict(credit, judge.identity, reason)])
    return verdict


def _on_record(*verdicts: tuple[str, Verdict]) -> VerdictRecord:
    record = VerdictRecord()
    record.add([(name, QUESTION, verdict) for name, verdict in verdicts])
    return record


def _credits(judge: Judge, *questions: JudgeQuestion) -> list[float | None]:
    return [verdict.credit for verdict in judge.grade(questions)]


def test_the_question_a_verdict_answered_is_found_again() -> None:
    judge = CountingJudge()
    lines = _recorded(judge)
    given = VerdictRecord().given(lines, MODALITIES)
    assert {question for _, question, _ in given} == set(judge.asked)
    assert [name for name, _, _ in given] == ["judge", "judge"]


@pytest.mark.parametrize("first", [["lung"], ["<answer>lung</answer><answer>b</answer>"]])
def test_a_completion_without_an_answer_says_nothing_of_the_judge_on_the_answer_that_a_rule_found_in_it(
    first: list[str],
) -> None:
    judge, rule = CountingJudge(), PublishedAnswer()
    suite = RewardSuite({"judge": Weighted(JudgeReward(judge, rule), 1.0)}, modalities=MODALITIES)
    (group,) = suite.score_groups([make_group(make_sample(1), [*first, write("X_RAY", "lung")])])
    verdicts = [Verdict.without_answer(named(judge)), Verdict(1.0, "answer rule PublishedAnswer")]
    lines = record_group(group, MODALITIES, step=1, split="train", verdicts=verdicts)
    record = VerdictRecord({"judge": rule})
    record.add(record.given(lines, MODALITIES))
    assert record.look_up(JudgeQuestion("Which organ?", "lung", "lung"), named(judge), ()) is None
    assert not record.judges


def test_a_verdict_of_the_validation_is_on_the_plain_question_whatever_the_rule_of_the_run() -> None:
    judge, rule = CountingJudge(), PublishedAnswer()
    suite = RewardSuite({"judge": Weighted(JudgeReward(judge, rule), 1.0)}, modalities=MODALITIES)
    (group,) = suite.score_groups([make_group(make_sample(1), [write("X_RAY", ".lung"), write("X_RAY", "lung")])])
    verdicts = [_by(judge, 0.0), _by(judge, 1.0)]
    record = VerdictRecord({"judge": rule})
    record.add(record.given(record_group(group, MODALITIES, step=1, split="val", verdicts=verdicts), MODALITIES))
    found = [
        record.look_up(JudgeQuestion("Which organ?", "lung", text), named(judge), ()) for text in (".lung", "lung")
    ]
    assert [one and one.credit for one in found] == [0.0, 1.0]


def _judged_by(reward: Judge, validation: Judge, rule: PublishedAnswer | None = None) -> VerdictRecord:
    """What is on record of two answers after a validation by another judge, which said YES and NO."""
    verdicts = [_by(validation, credit) for credit in (1.0, 0.0)]
    lines = [CompletionRecord.from_json(line.to_json()) for line in _recorded(reward, rule, verdicts=verdicts)]
    record = VerdictRecord({} if rule is None else {"judge": rule})
    record.add(record.given([replace(line, rewards="r") for line in lines], MODALITIES))
    return record


@pytest.mark.parametrize("rule", [None, PublishedAnswer()])
def test_a_judge_of_the_validation_is_not_asked_again_beside_one_of_the_rewards(rule: PublishedAnswer | None) -> None:
    """The published rule asked the reward's judge about "the lung", the validation asked about "the lung."."""
    reward, large = CountingJudge("reward"), CountingJudge("large")
    record = _judged_by(reward, large, rule)
    plain = [JudgeQuestion("Which organ?", "lung", text) for text in ("the lung.", "lung")]
    assert _credits(replayed(large, record, may_ask=True), *plain) == [1.0, 0.0]
    assert large.asked == []
    own = list(reward.asked)
    assert _credits(replayed(reward, record, may_ask=True), *own) == [float(one.answer == "lung") for one in own]
    assert reward.asked == own
    assert dict(record.judges) == {named(reward): len(own), named(large): 2}


def test_a_verdict_of_the_validation_is_that_of_no_component() -> None:
    record = _judged_by(CountingJudge("reward"), CountingJudge("large"), PublishedAnswer())
    asked = [JudgeQuestion("Which organ?", "lung", text) for text in ("the lung", "the lung.", "lung")]
    assert _credits(RunJudge(record, components=("judge", "")), *asked) == [0.0, None, None]


def test_the_rule_that_took_the_answer_then_is_the_one_that_finds_the_question() -> None:
    """The published rule strips points: the judge was asked about "the lung", which no strict rule finds."""
    judge = CountingJudge()
    lines = _recorded(judge, PublishedAnswer())
    by_rule = VerdictRecord({"judge": PublishedAnswer()}).given(lines, MODALITIES)
    assert [question for _, question, _ in by_rule] == judge.asked
    assert [question for _, question, _ in VerdictRecord().given(lines, MODALITIES)] != judge.asked


def test_a_verdict_on_record_is_not_asked_for_again() -> None:
    judge = CountingJudge("far")
    record = _on_record(("judge", _by(judge, 1.0)))
    assert _credits(RunJudge(record, judge, may_ask=True), QUESTION) == [1.0]
    assert judge.asked == []
    assert record.counts == {"looked up": 1, "asked": 0}


def test_the_verdict_of_another_judge_does_not_count() -> None:
    judge = CountingJudge("new")
    record = _on_record(("judge", Verdict(1.0, "old/v1")))
    assert _credits(RunJudge(record, judge, may_ask=True), QUESTION) == [0.0]
    assert judge.asked == [QUESTION]


def test_what_is_not_on_record_is_unscored_where_nobody_may_be_asked() -> None:
    (verdict,) = RunJudge(VerdictRecord(), Far()).grade([QUESTION])
    assert verdict.credit is None
    assert "not on record" in verdict.reason


def test_a_judge_that_came_to_no_verdict_is_asked_again_only_if_it_may_be() -> None:
    record = _on_record(("judge", _by(Far(), None, "timed out")), ("judge", _by(CountingJudge(), None, "timed out")))
    (repeated,) = RunJudge(record, Far()).grade([QUESTION])
    assert repeated.reason == "timed out"
    assert _credits(RunJudge(record, CountingJudge(), may_ask=True), QUESTION) == [0.0]


def test_a_judge_that_answered_a_question_otherwise_later_is_noticed() -> None:
    record = _on_record(("judge", Verdict(1.0, "far/v1")))
    assert record.contradicts([("judge", QUESTION, Verdict(0.0, "far/v1"))])
    assert not record.contradicts([("judge", QUESTION, Verdict(1.0, "far/v1"))])
    assert not record.contradicts([("b", QUESTION, Verdict(0.0, "near/v1"))])
    assert record.contradicts([("judge", QUESTION, Verdict(0.0, "near/v1"))])  # which a component may be asked for
    record.clear()
    assert not record.contradicts([("judge", QUESTION, Verdict(0.0, "far/v1"))])


def test_a_run_without_a_spec_answers_by_component() -> None:
    record = _on_record(("judge", Verdict(1.0, "gone/yes-no-1")), ("report", Verdict(0.6, "gone/other")))
    assert _credits(RunJudge(record, components=["judge"]), QUESTION) == [1.0]
    asked_otherwise = RunJudge(record, components=["judge"]).asking(ReportRubricPrompt())
    assert _credits(asked_otherwise, QUESTION) == [None]


def _suite(*rewards: JudgeReward | RubricReward) -> RewardSuite:
    entries = {name: Weighted(reward, 1 / len(rewards)) for name, reward in zip(("judge", "b"), rewards, strict=False)}
    return RewardSuite(entries, modalities=MODALITIES)  # type: ignore[arg-type]


def test_the_judge_of_the_run_is_not_called_over_a_network_and_a_free_one_is_asked() -> None:
    rollouts = [make_group(make_sample(1), [write("X_RAY", "lung")])]
    for of_run, total in ((Far(), None), (ExactJudge(), 1.0)):
        other = _suite(JudgeReward())
        replay_judges(other, VerdictRecord(), of_run, None, None)
        (scored,) = other.score_groups(rollouts)
        assert (None if scored.totals[0] != scored.totals[0] else scored.totals[0]) == total


def test_a_component_with_a_judge_of_its_own_keeps_it_and_a_given_one_replaces_all() -> None:
    own, given = CountingJudge("own"), CountingJudge("given")
    rollouts = [make_group(make_sample(1), [write("X_RAY", "lung")])]
    other = _suite(JudgeReward(own), JudgeReward())
    replay_judges(other, VerdictRecord(), ExactJudge(), None, None)
    other.score_groups(rollouts)
    assert len(own.asked) == 1
    replay_judges(other, VerdictRecord(), ExactJudge(), None, given)
    other.score_groups(rollouts)
    assert len(own.asked) == 1
    assert len(given.asked) == 2


def test_a_verdict_under_one_prompt_is_none_under_another() -> None:
    """A rubric component that is new to the run must not take the YES of the old component for five of five."""
    record = _on_record(("judge", Verdict(1.0, "far/v1")))
    run = _suite(JudgeReward())
    other = _suite(RubricReward())
    replay_judges(other, record, Far("far"), run, None)
    (scored,) = other.score_groups([make_group(make_sample(1), [write("X_RAY", "the lung")])])
    assert scored.scores[0].components["judge"].status == "unscored"


@pytest.mark.parametrize(("strict", "total"), [(True, 0.0), (False, 1.0)])
def test_a_judge_of_ones_own_with_other_arguments_than_in_the_run_is_asked(strict: bool, total: float) -> None:
    """Its identity is that of the run's judge, which was strict about the article."""
    record = _on_record(("judge", _by(Contains(), 0.0)))
    other = _suite(JudgeReward())
    replay_judges(other, record, Contains(), _suite(JudgeReward(Contains())), Contains(strict))
    (scored,) = other.score_groups([make_group(make_sample(1), [write("X_RAY", "the lung")])])
    assert scored.totals == (total,)
    assert record.counts["looked up"] == int(strict)


def test_a_rubric_over_a_judge_that_reads_no_prompt_says_so() -> None:
    with pytest.raises(ValueError, match="which its judge does not support"):
        replay_judges(_suite(RubricReward()), VerdictRecord(), ExactJudge(), None, None)


def test_another_quorum_needs_no_member_asked() -> None:
    """Two of three said YES; with a quorum of three, and one member unscored, the panel has no verdict."""
    names = ("a", "b", "c")
    members: list[Judge] = [Far(name) for name in names]
    votes = tuple(
        _by(member, credit, reason)
        for member, credit, reason in zip(members, (1.0, 1.0, None), ("", "", "timed out"), strict=True)
    )
    record = _on_record(("judge", Verdict(1.0, "panel", votes=votes)))
    for quorum, credit in ((2, 1.0), (3, None)):
        assert _credits(replayed(PanelJudge(members, quorum), record, may_ask=False), QUESTION) == [credit]
    assert record.counts["asked"] == 0


def test_rules_before_the_judge_of_the_run_need_nobody_asked() -> None:
    """The rule decides the exact match; the rest is on record under the judge itself."""
    other = JudgeQuestion("Which organ?", "lung", "pulmonary parenchyma")
    record = VerdictRecord()
    record.add([("judge", other, _by(Far("far"), 1.0))])
    judge = replayed(HybridJudge(Far("far")), record, may_ask=False)
    assert _credits(judge, other, JudgeQuestion("Which organ?", "lung", "Lung.")) == [1.0, 1.0]


class Any1(PanelJudge):
    """YES where any member says YES."""

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        votes = [member.grade(questions) for member in self.judges]
        return [Verdict(max(one.credit or 0.0 for one in row), self.identity) for row in zip(*votes, strict=True)]


class Lenient(HybridJudge):
    """Decides by a rule of its own before those of the base, if told to."""

    def __init__(self, judge: Judge, is_lenient: bool) -> None:
        super().__init__(judge)
        self.is_lenient = is_lenient

    def _rule(self, question: JudgeQuestion) -> Verdict | None:
        if self.is_lenient and question.reference in question.answer:
            return Verdict(1.0, self.identity)
        return super()._rule(question)


class Strict(Contains):
    """Another identity, for a panel."""

    identity = "strict"  # type: ignore[assignment]


class Both(Plain):
    """Says NO."""

    identity = "both"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        return [Verdict(0.0, "both") for _ in questions]


ROLLOUTS = [make_group(make_sample(1), [write("X_RAY", text) for text in ("lung", "left lung", "heart")])]


def _rescored(run: list[CompletionRecord], other: RewardSuite) -> tuple[list[float], VerdictRecord]:
    """Totals of another suite on recorded completions of ``ROLLOUTS``."""
    record = VerdictRecord()
    record.add(record.given(run, MODALITIES))
    replay_judges(other, record, None, None, None)
    return list(other.score_rollouts(ROLLOUTS).total.tolist()), record


def _run(suite: RewardSuite) -> list[CompletionRecord]:
    (group,) = suite.score_groups(ROLLOUTS)
    return record_group(group, MODALITIES, step=1, split="train")


def test_components_whose_judges_share_an_identity_keep_their_own_verdicts() -> None:
    """Strict, loose: 1, 1; 0, 1; 0, 0."""
    made = [_suite(JudgeReward(Contains(True)), JudgeReward(Contains(False))) for _ in range(2)]
    totals, record = _rescored([CompletionRecord.from_json(one.to_json()) for one in _run(made[0])], made[1])
    assert totals == [1.0, 0.5, 0.0]
    assert record.counts == {"looked up": 6, "asked": 0}


@pytest.mark.parametrize("is_strict", [True, False])
def test_verdicts_of_a_judge_before_it_had_other_arguments_are_not_its_own(is_strict: bool) -> None:
    lines = [*_run(_suite(JudgeReward(Contains(True)))), *_run(_suite(JudgeReward(Contains(False))))]
    totals, record = _rescored(lines, _suite(JudgeReward(Contains(is_strict))))
    assert totals == [1.0, 0.0 if is_strict else 1.0, 0.0]
    assert record.counts["asked"] == 0
    totals, record = _rescored(lines[:3], _suite(JudgeReward(Contains(is_strict))))
    assert totals == [1.0, 0.0 if is_strict else 1.0, 0.0]
    assert record.counts["asked"] == (0 if is_strict else 3)


@pytest.mark.parametrize("is_same", [True, False])
@pytest.mark.parametrize(
    ("make", "totals"),
    [
        (lambda: Lenient(Contains(True), True), [1.0, 1.0, 0.0]),
        (lambda: Lenient(Contains(True), False), [1.0, 0.0, 0.0]),
        (lambda: Any1([Strict(True), Contains(False), Both()]), [1.0, 1.0, 0.0]),
        (lambda: HybridJudge(Any1([Strict(True), Contains(False), Both()])), [1.0, 1.0, 0.0]),
    ],
)
def test_subclasses_of_judges_that_ask_judges_stay_what_they_are(make: Any, totals: list[float], is_same: bool) -> None:
    """Recorded by the same judge, or by the panel of the same members."""
    of_run = make() if is_same else PanelJudge([Strict(True), Contains(False), Both()])
    assert _rescored(_run(_suite(JudgeReward(of_run))), _suite(JudgeReward(make())))[0] == totals


def test_the_judge_is_closed_with_its_record() -> None:
    closed: list[str] = []

    class Closing(CountingJudge):
        def close(self) -> None:
            closed.append(self.name)

    RunJudge(VerdictRecord(), Closing()).close()
    RunJudge(VerdictRecord()).close()
    assert closed == ["counting"]


def test_an_empty_list_asks_nothing() -> None:
    questions: Sequence[JudgeQuestion] = []
    assert RunJudge(VerdictRecord(), Far()).grade(questions) == []
