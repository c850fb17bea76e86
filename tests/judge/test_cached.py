"""A judge whose verdicts are kept on disk."""

import copy
import os
import pickle
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medix.judge.base import Judge
from medix.judge.cached import CacheCounts, CachedJudge
from medix.judge.exact import ExactJudge
from medix.judge.panel import PanelJudge
from medix.judge.prompt import YesNoPrompt
from medix.types import JudgeQuestion, Verdict
from tests.judge.test_own_arguments import Contains
from tests.support.asked import FAULTS, AtOnce, Counting, Later, Raising, question

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")  # a fault that no test expects is a failure


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "verdicts.sqlite")


def wait_until(holds: object) -> None:
    deadline = time.perf_counter() + 10
    while not holds() and time.perf_counter() < deadline:  # type: ignore[operator]
        time.sleep(0.001)
    assert holds()  # type: ignore[operator]


@pytest.mark.parametrize("kind", [Counting, AtOnce])
def test_what_was_asked_once_is_looked_up_the_next_time(kind: type[Counting], path: str) -> None:
    judge = kind(1.0, explanation="why", confidence=0.9, votes=(Verdict(1.0, "a"),), latency=3.0)
    [first] = CachedJudge(judge, path).grade([question()])
    cached = CachedJudge(judge, path)
    [second] = cached.grade([question()])
    third = cached.submit(question()).result()
    assert judge.asked == [question()]
    assert not first.is_cached
    for verdict in (second, third):
        assert verdict.is_cached
        assert (verdict.credit, verdict.explanation, verdict.confidence, verdict.votes) == (
            1.0, "why", 0.9, (Verdict(1.0, "a"),),
        )  # fmt: skip
        assert verdict.latency < 1.0, "the latency of the look-up, not of the judge"
    assert cached.counts == CacheCounts(hits=2)


def test_a_judge_of_ones_own_with_other_arguments_is_asked_though_its_identity_is_the_same(path: str) -> None:
    asked = [question("the left one", "left")]
    found = [CachedJudge(Contains(strict), path).grade(asked)[0].credit for strict in (True, False, True)]
    assert found == [0.0, 1.0, 0.0]


def test_all_that_is_missing_is_asked_at_once_and_in_order(path: str) -> None:
    judge = Counting(lambda asked: float(asked.answer == "right"))
    cached = CachedJudge(judge, path)
    cached.grade([question("known")])
    asked = [question("x"), question("known"), question("right"), question("x")]
    verdicts = cached.grade(asked)
    assert judge.calls[1:] == [[question("x"), question("right")]]
    assert [verdict.credit for verdict in verdicts] == [0.0, 0.0, 1.0, 0.0]
    assert [verdict.is_cached for verdict in verdicts] == [False, True, False, False]
    assert cached.counts == CacheCounts(hits=1, asked=3, stored=3)
    assert cached.grade([]) == []


@pytest.mark.parametrize(
    "other",
    [
        JudgeQuestion("q", "r", "b"),
        JudgeQuestion("q", "s", "a"),
        JudgeQuestion("p", "r", "a"),
        JudgeQuestion("q", "r", "a", ("",)),
        JudgeQuestion("qr", "", "a"),
        JudgeQuestion("q", "r", "", ("a",)),
    ],
)
def test_another_question_is_another_question(other: JudgeQuestion, path: str) -> None:
    judge = Counting()
    cached = CachedJudge(judge, path)
    cached.grade([question("a"), other])
    assert len(judge.asked) == 2


def test_another_judge_or_prompt_is_asked_itself(path: str) -> None:
    first, second = Counting(1.0, "served/a/1"), Counting(0.0, "served/a/2")
    CachedJudge(first, path).grade([question()])
    assert CachedJudge(second, path).grade([question()])[0].credit == 0.0
    asking = CachedJudge(first, path).asking(YesNoPrompt())
    assert asking.identity == f"served/a/1/{YesNoPrompt.version}"
    assert not asking.grade([question()])[0].is_cached
    with pytest.raises(ValueError, match="cannot be asked"):
        CachedJudge(ExactJudge(), path).asking(YesNoPrompt())


@pytest.mark.parametrize("credit", [None, float("nan")])
def test_what_has_no_verdict_is_not_kept(credit: float | None, path: str) -> None:
    judge = Counting(credit)
    cached = CachedJudge(judge, path)
    cached.grade([question()])
    cached.grade([question()])
    assert len(judge.asked) == 2
    assert cached.counts.stored == 0


@pytest.mark.parametrize("answer", ["", "\x00", "\ud800", "‮عربي", "a" * 50_000, "'; DROP TABLE verdicts; --"])
def test_any_text_is_kept(answer: str, path: str) -> None:
    judge = Counting(1.0, reply=answer)
    cached = CachedJudge(judge, path)
    cached.grade([question(answer)])
    [verdict] = cached.grade([question(answer)])
    assert (verdict.reply, verdict.is_cached) == (answer, True)


def test_a_question_under_way_is_not_asked_again(path: str) -> None:
    judge = Later()
    cached = CachedJudge(judge, path)
    first, second = cached.submit(question()), cached.submit(question())
    with ThreadPoolExecutor(1) as pool:
        graded = pool.submit(cached.grade, [question(), question("other")])
        wait_until(lambda: len(judge.asked) == 2)
        assert not graded.done()
        judge.say(question())
        judge.say(question("other"))
        assert [verdict.credit for verdict in graded.result(10)] == [1.0, 1.0]
    assert first.result(0) == second.result(0)
    assert judge.asked == [question(), question("other")]
    assert cached.counts == CacheCounts(asked=2, shared=2, stored=2)


def test_nobody_who_waits_can_cancel_for_the_others(path: str) -> None:
    judge = Later()
    cached = CachedJudge(judge, path)
    first, second = cached.submit(question()), cached.submit(question())
    assert not first.cancel()
    judge.say(question())
    assert second.result(0).credit == 1.0


def test_two_threads_that_grade_the_same_wait_for_each_other(path: str) -> None:
    """Each leads some questions and waits for the other's."""
    judge = Counting(lambda asked: time.sleep(0.002) or 1.0)
    cached = CachedJudge(judge, path)
    questions = [question(str(number)) for number in range(20)]
    barrier = threading.Barrier(4)

    def work(index: int) -> list[Verdict]:
        barrier.wait(10)
        return cached.grade(questions[5 * index :] + questions[: 5 * index])

    with ThreadPoolExecutor(4) as pool:
        graded = list(pool.map(work, range(4)))
    assert all(verdict.credit == 1.0 for verdicts in graded for verdict in verdicts)
    assert sorted(one.answer for one in judge.asked) == sorted(one.answer for one in questions)


def test_a_verdict_is_on_disk_before_anyone_goes_on(path: str) -> None:
    """Killed after one of two verdicts, a run has lost none that it acted on."""
    judge = Later()
    cached = CachedJudge(judge, path)
    kept: list[int] = []
    future = cached.submit(question("x"))
    cached.submit(question("y"))

    def look(_: object) -> None:
        with sqlite3.connect(path) as connection:
            kept.extend(connection.execute("SELECT count(*) FROM verdicts").fetchone())
        connection.close()

    future.add_done_callback(look)
    judge.say(question("x"))
    assert kept == [1]


def test_whoever_waits_may_ask_again_at_once(path: str) -> None:
    judge = Later()
    cached = CachedJudge(judge, path)
    again: list[Verdict] = []
    future = cached.submit(question())
    future.add_done_callback(lambda _: again.append(cached.submit(question()).result()))
    judge.say(question())
    assert again[0].is_cached


def test_the_file_names_neither_question_nor_answer(path: str) -> None:
    cached = CachedJudge(Counting(1.0, reply="YES"), path)
    cached.grade([JudgeQuestion("the question", "the reference", "the answer", ("the alias",))])
    cached.close()
    assert b"the " not in Path(path).read_bytes()


def test_it_bears_the_judges_name_and_steps_aside_when_asked(path: str) -> None:
    judge = Counting()
    cached = CachedJudge(judge, path)
    assert cached.identity == "counting"
    assert cached.without_cache() is judge
    assert CachedJudge(cached, path).without_cache() is judge
    assert not Path(path).exists(), "nothing is opened before it is used"
    cached.grade([question()])
    cached.close()
    assert judge.is_closed
    assert cached.grade([question()])[0].is_cached, "a closed judge may be used again"


def test_members_of_a_panel_share_a_file(path: str) -> None:
    first, second = Counting(1.0, "a"), Counting(None, "b")
    panel = PanelJudge([CachedJudge(first, path), CachedJudge(second, path)], quorum=1)
    panel.grade([question()])
    [verdict] = panel.grade([question()])
    assert [vote.is_cached for vote in verdict.votes] == [True, False]
    assert (len(first.asked), len(second.asked)) == (1, 2), "a missing vote is asked again"
    assert isinstance(panel.without_cache().judges[0], Counting)


def test_a_panel_is_kept_with_its_votes(path: str) -> None:
    panel = PanelJudge([Counting(1.0, "a"), Counting(1.0, "b"), Counting(None, "c")])
    cached = CachedJudge(panel, path)
    [first] = cached.grade([question()])
    [second] = cached.grade([question()])
    assert second.is_cached
    assert [vote.credit for vote in second.votes] == [1.0, 1.0, None]
    assert (second.confidence, second.explanation) == (first.confidence, first.explanation)


def test_copies_go_on_with_the_same_file(path: str) -> None:
    cached = CachedJudge(ExactJudge(), path)
    cached.grade([question("r")])
    for twin in (copy.deepcopy(cached), pickle.loads(pickle.dumps(cached))):  # spawned workers get it pickled
        assert twin.grade([question("r")])[0].is_cached
        assert twin.counts == CacheCounts(hits=1)


def test_a_forked_child_does_not_wait_for_what_its_parent_asked(path: str) -> None:
    judge = Later()
    cached = CachedJudge(judge, path)
    future = cached.submit(question())
    child = os.fork()
    if child == 0:
        mine = cached.submit(question())
        judge.say(question())
        os._exit(0 if mine.done() and mine.result().credit == 1.0 and cached.counts.stored == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    judge.say(question())
    assert future.result(0).credit == 1.0


def test_a_child_forked_while_another_thread_joins_does_not_hang(path: str) -> None:
    cached = CachedJudge(ExactJudge(), path)
    cached.grade([question()])
    with cached._in_flight._lock:  # as if a thread that is not in the child held it
        child = os.fork()
        if child == 0:
            signal.alarm(10)
            verdicts = cached.grade([question(), question("other")])
            os._exit(0 if len(verdicts) == 2 and cached.counts.hits == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0


TEXTS = st.text(st.characters(), max_size=4)
QUESTIONS = st.lists(st.tuples(TEXTS, TEXTS, TEXTS, st.lists(TEXTS, max_size=2).map(tuple)), max_size=8)


@settings(max_examples=25)
@given(QUESTIONS, QUESTIONS)
def test_a_cache_says_what_its_judge_says(
    tmp_path_factory: pytest.TempPathFactory, first: list[tuple[Any, ...]], then: list[tuple[Any, ...]]
) -> None:
    before, after = [JudgeQuestion(*texts) for texts in first], [JudgeQuestion(*texts) for texts in then]

    def credit(asked: JudgeQuestion) -> float:
        return sum(map(ord, asked.question + asked.answer)) % 11 / 10

    judge = Counting(credit)
    cached = CachedJudge(judge, str(tmp_path_factory.mktemp("cache") / "v.sqlite"))
    cached.grade(before)
    verdicts = cached.grade(after)
    cached.close()
    assert [verdict.credit for verdict in verdicts] == [credit(asked) for asked in after]
    assert [verdict.is_cached for verdict in verdicts] == [asked in before for asked in after]
    assert len(judge.asked) == len(set(before) | set(after))


def test_looking_up_is_quick(path: str) -> None:
    """20 us each, without the type checker of the tests."""
    cached = CachedJudge(Counting(), path)
    questions = [question(str(number)) for number in range(2_000)]
    cached.grade(questions)
    start = time.process_time()
    assert all(verdict.is_cached for verdict in cached.grade(questions))
    assert time.process_time() - start < 20.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": ""}, "judge.path is empty"),
        ({"busy_timeout": 0.0}, "judge.busy_timeout must be more than 0"),
        ({"retry_after": -1.0}, "judge.retry_after"),
        ({"patience": float("nan")}, "judge.patience"),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CachedJudge(Counting(), **{"path": "v.sqlite", **arguments})  # type: ignore[arg-type]


@pytest.mark.parametrize(("kind", "reason"), FAULTS)
def test_a_judge_that_fails_is_a_reason_and_nothing_is_kept(kind: type[Counting], reason: str, path: str) -> None:
    cached = CachedJudge(kind(), path)
    for _ in range(2):
        verdicts = cached.grade([question("x"), question("y")])
        assert [verdict.credit for verdict in verdicts] == [None, None]
        assert all(reason in verdict.reason for verdict in verdicts)
    assert cached.submit(question("x")).result(0).credit is None
    assert cached.counts == CacheCounts(asked=5)


def test_a_judge_that_never_answers_is_given_up_and_its_late_verdict_kept(path: str) -> None:
    judge = Later()
    cached = CachedJudge(judge, path, patience=0.1)
    [verdict] = cached.grade([question()])
    assert verdict.credit is None
    assert "no verdict on any question for 0.1 s" in verdict.reason
    judge.say(question())
    assert cached.grade([question()])[0].is_cached


def test_after_an_interrupt_nobody_waits_for_ever(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Counting):
        def grade(self, questions: object) -> list[Verdict]:
            waiting.append(cached.submit(question()))
            raise KeyboardInterrupt

    waiting: list[object] = []
    judge: Judge = Interrupted()
    cached = CachedJudge(judge, path)
    with pytest.raises(KeyboardInterrupt):
        cached.grade([question()])
    assert "interrupted: KeyboardInterrupt" in waiting[0].result(0).reason  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [Counting, AtOnce])
def test_without_a_file_the_judging_goes_on(kind: type[Counting], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    cached = CachedJudge(kind(), str(tmp_path / "file" / "v.sqlite"))
    with pytest.warns(RuntimeWarning, match="verdicts are not kept meanwhile"):
        assert cached.grade([question()])[0].credit == 1.0
    assert cached.submit(question()).result(0).credit == 1.0
    assert cached.counts == CacheCounts(asked=2, faults=1)


def test_a_raising_judge_does_not_hide_what_is_known(path: str) -> None:
    judge = Counting(1.0, "j")
    CachedJudge(judge, path).grade([question("x")])
    judge.grade = Raising(1.0, "j").grade  # type: ignore[method-assign]
    known, unknown = CachedJudge(judge, path).grade([question("x"), question("y")])
    assert (known.credit, unknown.credit) == (1.0, None)
