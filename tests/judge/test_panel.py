"""Judges that vote."""

import copy
import pickle
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.agreement import agreement
from medix.judge.base import Judge
from medix.judge.cached import CachedJudge
from medix.judge.exact import ExactJudge
from medix.judge.hybrid import HybridJudge
from medix.judge.own_arguments import named
from medix.judge.panel import PanelJudge
from medix.judge.prompt import YesNoPrompt
from medix.judge.scripted import ScriptedJudge
from medix.types import Verdict
from tests.support.asked import FAULTS, AtOnce, Counting, Later, question

CREDITS = st.sampled_from([None, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0])


def members(*votes: float | None, kind: type[Counting] = Counting) -> list[Judge]:
    return [kind(credit, name) for credit, name in zip(votes, "abcdefghij", strict=False)]


def vote(*votes: float | None, quorum: int | None = None) -> Verdict:
    [verdict] = PanelJudge(members(*votes), quorum).grade([question()])
    return verdict


@pytest.mark.parametrize(
    ("votes", "credit", "confidence"),
    [
        ((1.0,), 1.0, 1.0),
        ((1.0, 1.0, 0.0), 1.0, 2 / 3),
        ((0.0, 1.0, 0.0), 0.0, 2 / 3),
        ((1.0, None, 1.0), 1.0, 1.0),
        ((1.0, 0.0, None), None, None),  # two valid votes, split
        ((1.0, 0.0), None, None),
        ((1.0, None), None, None),  # one of two is no majority of the members
        ((0.0, 0.0, 1.0, 1.0), None, None),
        ((0.2, 0.4, 1.0), 0.4, 1 / 3),  # grades: the middle one
        ((0.8, 0.8, 0.2), 0.8, 2 / 3),
        ((0.4, 0.6), 0.5, 0.0),  # between the middle two, which nobody said
        ((0.0, 0.2, 1.0, 1.0), 0.6, 0.0),
        ((None, None, None), None, None),
    ],
)  # fmt: skip
def test_votes_become_a_verdict(
    votes: tuple[float | None, ...], credit: float | None, confidence: float | None
) -> None:
    verdict = vote(*votes)
    assert verdict.credit == (None if credit is None else pytest.approx(credit))
    assert verdict.confidence == (None if confidence is None else pytest.approx(confidence))
    assert [one.credit for one in verdict.votes] == list(votes)
    assert bool(verdict.reason) == (credit is None)


def test_the_quorum_decides_how_many_votes_a_verdict_needs() -> None:
    assert vote(1.0, None, None, quorum=1).credit == 1.0
    assert vote(1.0, 1.0, None, quorum=3).credit is None
    assert PanelJudge(members(1, 1, 1, 1)).quorum == 3
    assert PanelJudge(members(1, 1, 1)).quorum == 2


def test_a_verdict_says_who_voted_what() -> None:
    verdict = vote(1.0, 0.0, 1.0, None)
    assert verdict.explanation == "a: YES, b: NO, c: YES, d: no verdict"
    assert verdict.judge == "panel/1 with quorum 3 of [a, b, c, d]"
    assert vote(0.6).explanation == "a: 0.6"


def test_an_unscored_verdict_says_what_was_missing() -> None:
    assert vote(1.0, None, None).reason == (
        "1 of 3 members came to a verdict, the quorum is 2 (b, c: it would not say)"
    )
    assert vote(1.0, 0.0).reason == "the members are split: 1 YES, 1 NO"
    one, other = vote(None, 1.0, 0.0), vote(0.0, None, 1.0)
    assert one.reason == other.reason == "the members are split: 1 YES, 1 NO, 1 no verdict"


def test_votes_bear_the_members_names_so_that_agreement_can_be_taken() -> None:
    panel = PanelJudge([ExactJudge(), ScriptedJudge("YES"), Counting(0.0)])
    verdicts = panel.grade([question("r"), question("x")])
    assert [one.judge for one in verdicts[0].votes] == [judge.identity for judge in panel.judges]
    assert [one.whose for one in verdicts[0].votes] == [named(judge) for judge in panel.judges]
    found = agreement(verdicts)
    assert [pair.raw for pair in found.pairs] == [0.5, 0.5, 0.0]


def test_a_vote_off_the_scale_is_none() -> None:
    verdict = vote(1.0, 5.0, float("nan"))
    assert verdict.credit is None
    assert "b: the judge gave a credit of 5.0, which is not from 0 to 1" in verdict.reason
    assert "c: the judge gave a credit of nan" in verdict.reason


def test_every_member_is_asked_everything_before_any_is_waited_for() -> None:
    judges = [Later(1.0, "a"), Counting(1.0, "b"), Later(0.0, "c")]
    panel = PanelJudge(list(judges))
    asked = [question("x"), question("y")]
    with ThreadPoolExecutor(1) as pool:
        graded = pool.submit(panel.grade, asked)
        deadline = time.perf_counter() + 10
        while not all(len(judge.asked) == 2 for judge in judges) and time.perf_counter() < deadline:
            time.sleep(0.001)
        assert not graded.done()
        assert judges[1].calls == [asked], "a member that computes here gets all at once"
        for judge in (judges[2], judges[0]):
            for one in asked:
                judge.say(one)
        assert [verdict.credit for verdict in graded.result(10)] == [1.0, 1.0]


def test_the_same_question_is_put_to_a_member_once() -> None:
    judges = members(1.0, 1.0, kind=AtOnce)
    verdicts = PanelJudge(judges).grade([question("x"), question("y"), question("x")])
    assert [len(judge.asked) for judge in judges] == [2, 2]
    assert verdicts[0] is verdicts[2]
    assert PanelJudge(judges).grade([]) == []


def test_submit_does_not_wait_and_no_thread_does() -> None:
    first, second = Later(1.0, "a"), Later(1.0, "b")
    before = threading.active_count()
    future = PanelJudge([first, second]).submit(question())
    assert threading.active_count() == before
    second.say(question())
    assert not future.done()
    first.say(question())
    assert future.done()
    assert [one.judge for one in future.result().votes] == ["a", "b"]


def test_members_that_answer_later_are_at_work_before_others_compute() -> None:
    later = Later(1.0, "later")
    here = Counting(lambda asked: float(len(later.asked)), "here")
    PanelJudge([here, later], quorum=1).submit(question())
    later.say(question())
    assert here.asked == [question()]
    assert here.calls
    assert later.futures[question()].done()
    [verdict] = PanelJudge([here, AtOnce(1.0, "x")], quorum=2).grade([question()])
    assert verdict.votes[0].credit == 1.0, "the other had been asked when it computed"


@given(st.lists(CREDITS, min_size=1, max_size=7), st.randoms(use_true_random=False))
def test_the_order_of_members_does_not_matter(votes: list[float | None], random: object) -> None:
    shuffled = list(votes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert vote(*shuffled).credit == vote(*votes).credit
    assert vote(*shuffled).confidence == vote(*votes).confidence


@given(st.lists(CREDITS, min_size=1, max_size=7))
def test_a_verdict_lies_within_the_votes_and_submit_says_what_grade_says(votes: list[float | None]) -> None:
    verdict = vote(*votes)
    valid = [credit for credit in votes if credit is not None]
    if verdict.credit is None:
        assert verdict.reason
    else:
        assert min(valid) <= verdict.credit <= max(valid)
        assert len(valid) > len(votes) / 2
    other = PanelJudge(members(*votes, kind=AtOnce)).submit(question()).result()
    assert (other.credit, other.reason, other.confidence) == (verdict.credit, verdict.reason, verdict.confidence)


@given(st.lists(st.sampled_from([0.0, 1.0]), min_size=1, max_size=9))
def test_of_yes_and_no_the_more_frequent_wins(votes: list[float]) -> None:
    yes, no = votes.count(1.0), votes.count(0.0)
    assert vote(*votes).credit == (None if yes == no else float(yes > no))


def test_a_panel_asks_passes_through_and_closes_its_members() -> None:
    judges = members(1.0, 0.0, 1.0)
    panel = PanelJudge(judges, quorum=1)
    asking = panel.asking(YesNoPrompt())
    assert [judge.identity for judge in asking.judges] == [f"{name}/{YesNoPrompt.version}" for name in "abc"]
    assert asking.quorum == 1
    assert panel.without_cache().judges == judges
    panel.close()
    assert all(judge.is_closed for judge in judges)
    with pytest.raises(ValueError, match=r"exact/[0-9]+ cannot be asked"):
        PanelJudge([ExactJudge()]).asking(YesNoPrompt())


def test_a_copy_votes_alike() -> None:
    panel = PanelJudge([ExactJudge(), ScriptedJudge("YES")])
    for twin in (copy.deepcopy(panel), pickle.loads(pickle.dumps(panel))):  # spawned workers get it pickled
        assert twin.identity == panel.identity
        assert twin.grade([question("r")])[0].credit == 1.0


def test_a_panel_of_panels_votes() -> None:
    inner = PanelJudge(members(1.0, 1.0, 0.0))
    [verdict] = PanelJudge([inner, Counting(1.0)]).grade([question()])
    assert verdict.credit == 1.0
    assert len(verdict.votes[0].votes) == 3


@pytest.mark.parametrize(
    ("judges", "quorum", "message"),
    [
        ([], None, "judge.judges is empty"),
        (members(1.0, 1.0), 0, "judge.quorum must be from 1 to the number of members, 2, got 0"),
        (members(1.0, 1.0), 3, "got 3"),
        ([ExactJudge(), ExactJudge()], None, "holds exact/[0-9]+ more than once"),
    ],
)
def test_what_is_no_panel_is_refused(judges: list[Judge], quorum: int | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PanelJudge(judges, quorum)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda judge, path: HybridJudge(judge),
        lambda judge, path: HybridJudge(HybridJudge(judge)),
        lambda judge, path: CachedJudge(judge, path),
        lambda judge, path: PanelJudge([Counting(1.0, "other"), CachedJudge(HybridJudge(judge), path)]),
    ],
)
def test_one_judge_behind_others_is_still_one_judge(wrapped: Callable[[Judge, str], Judge], tmp_path: Path) -> None:
    one = Counting(1.0, "one")
    other = wrapped(one, str(tmp_path / "verdicts.sqlite"))
    with pytest.raises(ValueError, match=r"judge\.judges holds one more than once"):
        PanelJudge([one, other])
    panel = PanelJudge([Counting(1.0, "two"), other])
    assert panel.grade([question()])[0].credit == 1.0
    panel.close()


def test_a_panel_without_patience_is_refused() -> None:
    with pytest.raises(ValueError, match="patience must be more than 0"):
        PanelJudge(members(1.0), patience=0.0)


@pytest.mark.parametrize(("kind", "reason"), FAULTS)
def test_a_member_that_fails_has_no_vote_and_the_others_decide(kind: type[Counting], reason: str) -> None:
    panel = PanelJudge([kind(1.0, "bad"), Counting(1.0, "b"), AtOnce(1.0, "c")])
    for verdict in panel.grade([question("x"), question("y")]):
        assert verdict.credit == 1.0
        assert verdict.confidence == 1.0
        assert reason in verdict.votes[0].reason
    assert panel.submit(question("x")).result().credit == 1.0


def test_a_panel_of_nothing_but_failures_is_unscored() -> None:
    panel = PanelJudge([kind(1.0, str(index)) for index, (kind, _) in enumerate(FAULTS)])
    [verdict] = panel.grade([question()])
    assert verdict.credit is None
    assert all(reason in verdict.reason for _, reason in FAULTS)


def test_a_member_that_never_answers_is_given_up() -> None:
    start = time.perf_counter()
    [verdict] = PanelJudge([Later(1.0, "deaf"), Counting(1.0), AtOnce(1.0)], patience=0.1).grade([question()])
    assert time.perf_counter() - start < 120
    assert verdict.credit == 1.0
    assert "no vote from anyone for 0.1 s" in verdict.votes[0].reason
