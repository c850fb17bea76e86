"""Scoring while others still generate, and stopping when too much is unscored."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from medix.judge import ScriptedJudge, ServedJudge
from medix.rewards import JudgeReward, ModalityReward, RewardSuite, UnscoredLimitError, Weighted
from medix.types import Completion, FinishReason, Prompt, RolloutGroup, Sample, Status, Verdict
from tests.rewards.test_judged import Later
from tests.support.judges import says, serving


def completion_of(answer: str) -> Completion:
    return Completion(f"<X_RAY><think>r</think><answer>{answer}</answer>", (1, 2), (0.0, 0.0), FinishReason.STOP)


def group_of(*answers: str) -> RolloutGroup:
    prompt = Prompt(Sample("s", "q", "reference", "X_RAY"), (1,))
    return RolloutGroup(prompt, tuple(map(completion_of, answers)), 0)


def suite_of(judge: ScriptedJudge | Later, **settings: float) -> RewardSuite:
    parts = {"judge": Weighted(JudgeReward(judge), 0.9), "modality": Weighted(ModalityReward(), 0.1)}
    return RewardSuite(parts, **settings)  # type: ignore[arg-type]


def test_groups_come_back_in_order_with_a_row_for_every_completion() -> None:
    groups = [group_of("a", "b"), group_of(), group_of("c")]
    scored = suite_of(ScriptedJudge(default="NO", replies={"b": "YES"})).open().close(groups)
    assert [group.rollout for group in scored] == groups
    assert [len(group.scores) for group in scored] == [2, 0, 1]
    assert scored[0].totals == (pytest.approx(0.1), pytest.approx(1.0))


def test_no_groups_are_scored_to_no_groups() -> None:
    assert suite_of(ScriptedJudge()).open().close([]) == []


def test_submitted_completions_are_asked_at_once_and_only_once() -> None:
    judge = Later()
    scoring = suite_of(judge).open()
    group = group_of("a", "b", "a", "late")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda completion: scoring.submit(group.prompt, completion), group.completions[:3]))
    assert sorted(judge.submitted) == ["a", "b"]

    def answer_everything() -> None:
        while len(judge.futures) < 3:
            time.sleep(0.001)
        for future in judge.futures.values():
            future.set_result(Verdict(1.0, "later"))

    answering = threading.Thread(target=answer_everything)
    answering.start()
    [scored] = scoring.close([group])
    answering.join()
    assert scored.totals == (1.0,) * 4
    assert sorted(judge.submitted) == ["a", "b", "late"]
    assert scoring.seconds["judge"] > 0


def test_a_served_judge_works_while_completions_arrive() -> None:

    with serving(says("YES")) as server:
        judge = ServedJudge(server.url, "m")
        scoring = RewardSuite({"judge": Weighted(JudgeReward(judge), 1.0)}).open()
        group = group_of("a", "b", "b")
        for completion in group.completions:
            scoring.submit(group.prompt, completion)
        assert scoring.close([group])[0].totals == (1.0, 1.0, 1.0)
        assert len(server.bodies) == 2
        judge.close()


def test_too_many_unscored_completions_stop_the_step_with_reasons_and_remedy() -> None:
    judge = ScriptedJudge(replies={"x": None, "y": "maybe"})
    groups = [group_of("x", "x", "y"), group_of("a", "b")]
    with pytest.raises(UnscoredLimitError) as raised:
        suite_of(judge).open().close(groups)
    message = str(raised.value)
    assert "3 of 5 completions" in message
    assert "60.0%" in message
    assert "max_unscored=0.2" in message
    assert "2 x judge: the scripted judge cannot be reached" in message
    assert "1 x judge: the judge's reply holds no verdict" in message
    assert "resume" in message


def test_a_share_at_the_limit_passes_and_only_close_stops() -> None:
    suite = suite_of(ScriptedJudge(replies={"x": None}), max_unscored=0.5)
    group = group_of("x", "a")
    [scored] = suite.open().close([group])
    assert [math.isnan(total) for total in scored.totals] == [True, False]
    strict = suite_of(ScriptedJudge(default=None), max_unscored=0.0)
    [scored] = strict.score_groups([group])
    assert [score.components["judge"].status for score in scored.scores] == [Status.UNSCORED] * 2
    with pytest.raises(UnscoredLimitError):
        strict.open().close([group])
