"""Scoring one step's completions while others are still being written."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from medix.types import Completion, Prompt, RolloutGroup, ScoredGroup, Status

if TYPE_CHECKING:
    from medix.rewards.suite import RewardSuite
    from medix.rewards.table import RewardTable

Gather = Callable[[tuple[int, list[str]]], list[tuple[int, list[str]]]]
"""Rows and reasons for unscored ones, of this process; those of every process."""


class UnscoredLimitError(RuntimeError):
    """More completions of a step are unscored than the suite allows."""


class Scoring:
    """Opened by ``RewardSuite.open``: ``submit`` completions as they come, ``close`` on the finished groups.

    Attributes:
        seconds: what each component took at ``close``, by name.
    """

    def __init__(self, suite: "RewardSuite") -> None:
        self._suite = suite
        self.seconds: Mapping[str, float] = {}

    def submit(self, prompt: Prompt, completion: Completion) -> None:
        """Start slow work on a completion, from any thread; the judge is asked at once."""
        self._suite.start(prompt, completion)

    def close(self, groups: Sequence[RolloutGroup], gather: Gather = lambda value: [value]) -> list[ScoredGroup]:
        """Score the groups of the step.

        Args:
            groups: of this process.
            gather: gives what every process has; the limit then holds for all of them together.

        Raises:
            UnscoredLimitError: the share of unscored totals passes the suite's ``max_unscored``.
        """
        table = self._suite.score_rollouts(groups)
        self.seconds = table.seconds
        check_unscored(table, self._suite.max_unscored, gather)
        return regroup(table, groups)


def regroup(table: "RewardTable", groups: Sequence[RolloutGroup]) -> list[ScoredGroup]:
    """Give each group its rows of the table."""
    rows = iter(table)
    return [ScoredGroup(group, tuple(next(rows) for _ in group.completions)) for group in groups]


def check_unscored(table: "RewardTable", limit: float, gather: Gather = lambda value: [value]) -> None:
    """Stop a step whose signal would come from the few completions that could be scored.

    Args:
        table: of this process.
        limit: share of unscored totals that is allowed.
        gather: gives what every process has, so that all of them stop or none.

    Raises:
        UnscoredLimitError: the share of unscored totals passes the limit.
    """
    own = [reason for reason, status in zip(table.reason, table.status, strict=True) if status is Status.UNSCORED]
    shares = gather((len(table), own))
    rows = sum(count for count, _ in shares)
    reasons = Counter(reason for _, unscored in shares for reason in unscored)
    if reasons.total() <= limit * rows:
        return
    listed = "\n".join(f"  {count} x {reason}" for reason, count in reasons.most_common(5))
    raise UnscoredLimitError(
        f"{reasons.total()} of {rows} completions of this step are unscored ({reasons.total() / rows:.0%}), more than "
        f"rewards.max_unscored={limit:g} allows. Most common reasons:\n{listed}\n"
        "Nothing was learnt from this step. Repair the cause (is the judge up?) and resume from the last checkpoint, "
        "or raise rewards.max_unscored."
    )
