"""Scoring one step's completions while others are still being written."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from medix.rewards.table import RewardTable
from medix.types import Completion, Prompt, RolloutGroup, ScoredGroup, Status

Gather = Callable[[Any], list[Any]]
"""Collects one object from every process, in the order of their ranks."""

Score = Callable[[Sequence[RolloutGroup], Gather], RewardTable]


def alone(value: Any) -> list[Any]:
    """What a single process collects."""
    return [value]


class UnscoredLimitError(RuntimeError):
    """More completions of a step are unscored than the suite allows."""


class Scoring:
    """The scoring of one step, opened by ``RewardSuite.open``.

    Call ``submit`` for each completion when it exists, and ``close`` on the finished groups.

    Args:
        start: starts slow work on a completion.
        score: scores the groups of this process, in order; every process calls it.
        max_unscored: share of unscored totals above which ``close`` raises.

    Attributes:
        seconds: what each component took in ``close``, by name.
    """

    def __init__(
        self,
        start: Callable[[Prompt, Completion], None],
        score: Score,
        max_unscored: float,
    ) -> None:
        self._start = start
        self._score = score
        self._max_unscored = max_unscored
        self.seconds: Mapping[str, float] = {}

    def submit(self, prompt: Prompt, completion: Completion) -> None:
        """Start slow work on a completion; may be called from any thread. The judge is asked immediately."""
        self._start(prompt, completion)

    def close(self, groups: Sequence[RolloutGroup], gather: Gather = alone) -> list[ScoredGroup]:
        """Score the groups of the step.

        Args:
            groups: of this process.
            gather: collects data from every process; the limit then applies to all of them together.

        Raises:
            UnscoredLimitError: the share of unscored totals passes the suite's ``max_unscored``.
        """
        table = self._score(groups, gather)
        self.seconds = table.seconds
        check_unscored(table, self._max_unscored, gather)
        return regroup(table, groups)


def regroup(table: RewardTable, groups: Sequence[RolloutGroup]) -> list[ScoredGroup]:
    """Assign the rows of a table to their groups."""
    rows = iter(table)
    return [ScoredGroup(group, tuple(next(rows) for _ in group.completions)) for group in groups]


def check_unscored(table: RewardTable, limit: float, gather: Gather = alone) -> None:
    """Stop a step in which too few completions could be scored.

    Args:
        table: of this process.
        limit: share of unscored totals that is allowed.
        gather: collects data from every process, so that all of them stop or none.

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
        f"{reasons.total()} of {rows} completions of this step are unscored ({reasons.total() / rows:.1%}), more than "
        f"rewards.max_unscored={limit:g} allows. Most common reasons:\n{listed}\n"
        "No weights were updated in this step. Repair the cause (is the judge up?) and resume from the last "
        "checkpoint, or raise rewards.max_unscored."
    )
