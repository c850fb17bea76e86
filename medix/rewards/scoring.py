"""Scoring one step's completions while others are still being written."""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from medix.types import Completion, Prompt, RolloutGroup, ScoredGroup, Status

if TYPE_CHECKING:
    from medix.rewards.suite import RewardSuite
    from medix.rewards.table import RewardTable


class UnscoredLimitError(RuntimeError):
    """More completions of a step are unscored than the suite allows."""


class Scoring:
    """Opened by ``RewardSuite.open``: ``submit`` completions as they come, ``close`` on the finished groups."""

    def __init__(self, suite: "RewardSuite") -> None:
        self._suite = suite

    def submit(self, prompt: Prompt, completion: Completion) -> None:
        """Start slow work on a completion, from any thread; the judge is asked at once."""
        self._suite.start(prompt, completion)

    def close(self, groups: Sequence[RolloutGroup]) -> list[ScoredGroup]:
        """Score the groups of the step.

        Raises:
            UnscoredLimitError: the share of unscored totals passes the suite's ``max_unscored``.
        """
        table = self._suite.score_rollouts(groups)
        check_unscored(table, self._suite.max_unscored)
        return regroup(table, groups)


def regroup(table: "RewardTable", groups: Sequence[RolloutGroup]) -> list[ScoredGroup]:
    """Give each group its rows of the table."""
    rows = iter(table)
    return [ScoredGroup(group, tuple(next(rows) for _ in group.completions)) for group in groups]


def check_unscored(table: "RewardTable", limit: float) -> None:
    """Stop a step whose signal would come from the few completions that could be scored.

    Raises:
        UnscoredLimitError: the share of unscored totals passes the limit.
    """
    unscored = sum(status is Status.UNSCORED for status in table.status)
    if not unscored or unscored <= limit * len(table):
        return
    reasons = Counter(
        reason for reason, status in zip(table.reason, table.status, strict=True) if status is Status.UNSCORED
    )
    listed = "\n".join(f"  {count} x {reason}" for reason, count in reasons.most_common(5))
    raise UnscoredLimitError(
        f"{unscored} of {len(table)} completions of this step are unscored ({unscored / len(table):.0%}), more than "
        f"rewards.max_unscored={limit:g} allows. Most common reasons:\n{listed}\n"
        "Nothing was learnt from this step. Repair the cause (is the judge up?) and resume from the last checkpoint, "
        "or raise rewards.max_unscored."
    )
