"""Rows that could not be scored, for trainers that know only numbers."""

import math
from collections import Counter, deque

from medix.rewards.scoring import UnscoredLimitError
from medix.rewards.table import RewardTable
from medix.types import Status

_SHOWN = 5


class UnscoredRule:
    """What an unscored row becomes where a reward must be a number. Never 0 on its own account.

    A trainer of this kind compares every completion with its group, so whatever number stands for "nobody knows" is a
    claim. By default the run stops. A stated value lets it go on, as long as few rows need it.

    Args:
        owner: what errors call the adapter.
        value: reward of an unscored row; None stops the run at the first.
        limit: share of unscored rows among the last ``window`` above which the run stops all the same.
        window: rows that the share is taken of; none is taken of fewer.
    """

    def __init__(self, owner: str, value: float | None, limit: float, window: int) -> None:
        if value is not None and not math.isfinite(value):
            raise ValueError(
                f"{owner}: unscored={value}: a reward that is not finite spoils its group; give a number, or None, "
                "which stops the run"
            )
        if window < 1:
            raise ValueError(f"{owner}: window={window} must be at least 1")
        self.owner = owner
        self.value = value
        self.limit = limit
        self.window = window
        self._recent: deque[str] = deque()

    def __call__(self, table: RewardTable) -> list[float]:
        """One number per row: what advantages shall be taken of, or the stated value.

        Raises:
            UnscoredLimitError: an unscored row without a stated value, or too many of them.
        """
        pairs = zip(table.status, table.reason, strict=True)
        reasons = [reason if status is Status.UNSCORED else "" for status, reason in pairs]
        if self.value is None:
            self._stop_at_any(reasons)
        self._recent.extend(reasons)
        kept = max(self.window, len(reasons))
        while len(self._recent) > kept:
            self._recent.popleft()
        self._stop_above_limit()
        stated = math.nan if self.value is None else self.value  # without a value none is left to need it
        return [stated if reason else scores.signal for scores, reason in zip(table, reasons, strict=True)]

    def _stop_at_any(self, reasons: list[str]) -> None:
        found = [reason for reason in reasons if reason]
        if found:
            raise UnscoredLimitError(
                f"{self.owner}: {len(found)} of {len(reasons)} completions could not be scored, and this trainer takes "
                f"only numbers. Most common reasons:\n{_listed(found)}\nRepair the cause (is the judge up?), or state "
                f"what such a completion earns: {self.owner}(suite, unscored=...)"
            )

    def _stop_above_limit(self) -> None:
        found = [reason for reason in self._recent if reason]
        if len(self._recent) >= self.window and len(found) > self.limit * len(self._recent):
            raise UnscoredLimitError(
                f"{self.owner}: {len(found)} of the last {len(self._recent)} completions could not be scored, more "
                f"than rewards.max_unscored={self.limit:g} allows. Most common reasons:\n{_listed(found)}\n"
                "Repair the cause (is the judge up?) and resume, or raise rewards.max_unscored of the suite"
            )


def _listed(reasons: list[str]) -> str:
    return "\n".join(f"  {count} x {reason}" for reason, count in Counter(reasons).most_common(_SHOWN))
