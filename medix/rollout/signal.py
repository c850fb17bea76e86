"""Filters of groups without a training signal."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

from medix.types import ScoredGroup


class GroupFilter(ABC):
    """Decides whether a group is used in an update."""

    @abstractmethod
    def has_signal(self, group: ScoredGroup) -> bool:
        """Whether the group is kept."""

    def keep(self, groups: Sequence[ScoredGroup]) -> list[ScoredGroup]:
        """The groups that are kept, in order."""
        return [group for group in groups if self.has_signal(group)]


class SpreadFilter(GroupFilter):
    """Dynamic sampling of DAPO (arXiv:2503.14476, Eq. 11): drops a group whose totals are all equal.

    Differs: DAPO requires that some but not all answers are right; with a composite reward the requirement is that the
    totals differ. The mean does not matter. Unscored completions do not count.

    Args:
        min_spread: largest minus smallest total of a group must exceed this.
    """

    def __init__(self, min_spread: float = 1e-6) -> None:
        if not min_spread >= 0:
            raise ValueError(
                f"filter.min_spread: {min_spread} must be 0 or more; 1e-6 drops groups that differ by rounding only"
            )
        self.min_spread = min_spread

    def has_signal(self, group: ScoredGroup) -> bool:
        scored = _scored(group)
        return len(scored) >= 2 and max(scored) - min(scored) > self.min_spread


class KeepScored(GroupFilter):
    """For recipes without dynamic sampling: keeps every group in which at least two completions can be compared."""

    def has_signal(self, group: ScoredGroup) -> bool:
        return len(_scored(group)) >= 2


def _scored(group: ScoredGroup) -> list[float]:
    return [signal for signal in group.signals if not math.isnan(signal)]
