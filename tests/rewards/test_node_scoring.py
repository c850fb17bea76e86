"""Four ranks on two nodes: two of them ask, for two each, and every rank has the scores of its own completions."""

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from medix.judge import ScriptedJudge
from medix.rewards import JudgeReward, ModalityReward, RewardSuite, Weighted, node_scoring, suite
from medix.rewards.normalisation import GroupNormalisation
from medix.types import RolloutGroup, ScoredGroup
from tests.rewards.test_scoring import group_of
from tests.support.thread_ranks import ThreadRanks


class _Rank(threading.local):
    number = 0


@pytest.fixture
def ranks(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int, Any], Any]], list[Any]]:
    found = ThreadRanks(4, node_scoring, monkeypatch)
    own = _Rank()
    monkeypatch.setattr(suite, "world_size", lambda: 4)
    monkeypatch.setattr(socket, "gethostname", lambda: "ab"[own.number // 2])

    def run(work: Callable[[int, Any], Any]) -> list[Any]:
        def one(number: int) -> Any:
            own.number = number
            return work(number, found.gather)

        return found.run(one)

    return run


def groups_of(number: int) -> list[RolloutGroup]:
    """Rank 1 has none; the second group of rank 2 has no completions."""
    found = [group_of("right", f"wrong {number}"), group_of()]
    return [] if number == 1 else found[: 1 + (number == 2)]


def suite_of(judge: ScriptedJudge, **settings: Any) -> RewardSuite:
    parts = {"judge": Weighted(JudgeReward(judge), 0.9), "modality": Weighted(ModalityReward(), 0.1)}
    return RewardSuite(parts, **settings)


def seen(group: ScoredGroup) -> Any:
    """All but the time that a verdict took."""
    parts = [(name, one.value, one.status) for scores in group.scores for name, one in scores.components.items()]
    return group.rollout, group.totals, group.signals, parts


@pytest.mark.parametrize("normalisation", [None, GroupNormalisation()])
def test_each_rank_has_the_scores_that_it_would_give_and_one_of_each_node_asks(ranks: Any, normalisation: Any) -> None:
    judges = [ScriptedJudge(default="NO", replies={"right": "YES"}) for _ in range(4)]
    suites = [suite_of(judge, ask="node", normalisation=normalisation) for judge in judges]

    def work(number: int, gather: Any) -> Any:
        scoring = suites[number].open()
        for group in groups_of(number):
            for completion in group.completions:
                scoring.submit(group.prompt, completion)
        return scoring.close(groups_of(number), gather)

    found = ranks(work)
    judge = ScriptedJudge(default="NO", replies={"right": "YES"})
    expected = [suite_of(judge, normalisation=normalisation).score_groups(groups_of(number)) for number in range(4)]
    assert [list(map(seen, groups)) for groups in found] == [list(map(seen, groups)) for groups in expected]
    assert found[0][0].totals == pytest.approx((1.0, 0.1))
    asked = [[question.answer for question in one.asked] for one in judges]
    assert asked == [["right", "wrong 0"], [], ["right", "wrong 2", "wrong 3"], []]


def test_a_validation_asks_once_for_each_node_and_a_process_alone_by_itself(ranks: Any) -> None:
    judges = [ScriptedJudge(default="NO") for _ in range(4)]
    suites = [suite_of(judge, ask="node").fresh() for judge in judges]
    ranks(lambda number, gather: suites[number].score_groups(groups_of(number), gather))
    assert [bool(judge.asked) for judge in judges] == [True, False, True, False]
    suites[3].score_groups(groups_of(3))
    assert judges[3].asked
