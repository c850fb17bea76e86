"""The record of a step."""

import math

import pytest

from medix.modules import record as record_file
from medix.modules.record import StepRecord
from medix.modules.training_group import TrainingGroup
from medix.types import ScoredGroup
from tests.support.policies import BigramPolicy, group
from tests.support.thread_ranks import ThreadRanks


def test_records_do_not_share_their_lists() -> None:
    first, second = StepRecord(step=1), StepRecord(step=2)
    first.seconds["rollout"] = 1.0
    first.scored.append(None)  # type: ignore[arg-type]
    assert second.seconds == {}
    assert second.scored == []


def scored(index: int) -> ScoredGroup:
    return ScoredGroup(group(BigramPolicy(), [1, 1], seed=index), ())


def test_every_group_is_used_on_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank 0 scored 0, 1, 2 and 4 and trained 0; rank 1 trained 1, which it received, and 3; it dropped 5.

    2 waits for a later step. 4 had no signal, so that nobody trained it.
    """

    def used(rank: int) -> list[int]:
        own = [scored(index) for index in ((0, 1, 2, 4), (3,))[rank]]
        trained = [own[0]] if rank == 0 else [scored(1), own[0]]
        record = StepRecord(step=1, scored=own, dropped=[] if rank == 0 else [scored(5)])
        training = [TrainingGroup(one.rollout, (float(one.rollout.prompt.index), 0.5)) for one in trained]
        record.close(trained, training, {}, lambda completion, advantage: True)
        assert record.tokens == 2 * len(trained)
        return [one.rollout.prompt.index for one in record.used({scored(2).key})]

    assert ThreadRanks(2, record_file, monkeypatch).run(used) == [[0, 4], [1, 3, 5]]


def test_a_completion_that_the_update_leaves_out_has_no_advantage_on_record() -> None:
    """The advantage of a completion that the token limit cut counts in its group and is not trained with."""
    one = scored(0)
    record = StepRecord(step=1)
    record.close([one], [TrainingGroup(one.rollout, (0.5, -0.5))], {}, lambda completion, advantage: advantage > 0)
    assert record.advantages[0][0] == 0.5
    assert math.isnan(record.advantages[0][1])
    assert record.tokens == 1
