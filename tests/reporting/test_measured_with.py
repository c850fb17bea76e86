"""One source for what a part of the suite concerns."""

from medix.callbacks.spec_changes import suite_identity
from medix.evaluation.validation import incomparable
from medix.modules.checkpoint import scores_differ
from medix.reporting.measured_with import OF_REWARDS, PARTS


def test_every_part_that_is_recorded_is_told_and_those_of_rewards_are_compared_where_rewards_are() -> None:
    """A part that is new in the suite must be listed, and whoever asks of rewards must agree on which they are."""
    suite = suite_identity({}, ["judge"])
    assert set(suite) == set(PARTS)
    for name in suite:
        first, last = {"suite": suite}, {"suite": {**suite, name: "another"}}
        assert incomparable(first, last) == [PARTS[name]]
        of_rewards = name in OF_REWARDS
        assert scores_differ(first["suite"], last["suite"]) == of_rewards
        assert bool(incomparable(first, last, of_rewards=False)) != of_rewards
