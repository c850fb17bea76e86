"""When dynamic sampling gives up; ``test_group_rl`` shows it in a run."""

from collections import Counter

import pytest

from medix.modules.no_signal import NoSignalError, check_signal
from medix.modules.record import StepRecord
from medix.rollout.signal import SpreadFilter
from medix.types import CompletionScores, ScoredGroup
from tests.support.policies import BigramPolicy, group


def scored(*totals: float) -> ScoredGroup:
    rollout = group(BigramPolicy(), [1] * len(totals))
    return ScoredGroup(rollout, tuple(CompletionScores(total, {}) for total in totals))


def test_a_step_goes_on_while_it_may_read_more_or_has_enough() -> None:
    record = StepRecord(step=3, rollouts=2)
    check_signal(record, 0, 4, 3, SpreadFilter())
    record.rollouts = 3
    check_signal(record, 4, 4, 3, SpreadFilter())


def test_the_last_batch_stops_it_with_the_numbers() -> None:
    record = StepRecord(step=3, rollouts=3, scored=[scored(1.0, 1.0), scored(0.0, 1.0), scored(0.5, 0.5)])
    with pytest.raises(NoSignalError, match=r"step 3: 3 rollouts .* gave 1 of 4 groups .* 2 of 3 groups had totals"):
        check_signal(record, 1, 4, 3, SpreadFilter())
    record.dropped = [scored(0.0, 1.0)]
    with pytest.raises(NoSignalError, match=r"; 2 of 3 .* spread, and 1 were dropped: too old for model\.max_stal"):
        check_signal(record, 1, 4, 3, SpreadFilter())


def test_data_that_cannot_be_read_are_no_fault_of_the_policy() -> None:
    record = StepRecord(step=3, rollouts=3, too_long=1, bad_shards=Counter({"a.tar": 2}))
    told = r"0 of 0 groups .*, and 1 prompts were left .*, and 2 samples were left out .* shards .* Correct the data"
    with pytest.raises(NoSignalError, match=told):
        check_signal(record, 0, 4, 3, SpreadFilter())
