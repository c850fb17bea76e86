"""When a step has its groups."""

import pytest

from medix.modules.step_size import StepSize


def test_without_a_limit_a_step_waits_for_all_its_groups() -> None:
    size = StepSize(8, None, 20)
    assert [size.groups(found, 19, 1) for found in (0, 7, 8, 11)] == [0, 0, 8, 8]


def test_a_step_closes_with_what_it_has_in_equal_shares() -> None:
    """After three batches; with two ranks seven groups are three each, and one waits."""
    size = StepSize(8, 3, 20)
    assert [size.groups(7, rollouts, 1) for rollouts in (1, 2, 3, 4)] == [0, 0, 7, 7]
    assert [size.groups(found, 3, 2) for found in (0, 1, 2, 7, 8, 9)] == [0, 0, 2, 6, 8, 8]


@pytest.mark.parametrize("close_after", [0, 21])
def test_a_limit_that_no_step_reaches_is_refused(close_after: int) -> None:
    with pytest.raises(ValueError, match=rf"model\.close_after_rollouts: {close_after} is not from 1 to .*: 20"):
        StepSize(8, close_after, 20)
