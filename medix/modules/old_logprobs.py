"""Log-probabilities under the policy before a step: taken from the rollout engine, or computed again."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from medix.distributed import all_reduce
from medix.types import RolloutGroup

Rows = tuple[Tensor, ...]
"""Of each completion of a group the log-probabilities of its tokens."""

Recompute = Callable[[Sequence[RolloutGroup]], list[Rows]]


class OldLogprobs:
    """The rows that ratios are taken against.

    The engine's own are right where a step makes one update, the group is fresh, and the engine computes what the
    policy computes: one group is passed through the policy to know, and another whenever a step says that they moved
    apart; with dropout one in every step, since an update cannot say. An engine that rounds differently is not a fault;
    its rows are computed again, and the difference is left to the importance correction of the loss.

    Args:
        source: ``rollout`` takes the engine's, ``recompute`` runs one more pass, ``auto`` takes the engine's where
            they are right.
        one_update: whether a step makes one update.
    """

    def __init__(self, source: Literal["auto", "rollout", "recompute"], one_update: bool) -> None:
        self.source = source
        self.one_update = one_update
        self.agrees: bool | None = None  # not compared yet
        self._warned = False

    def of(
        self,
        groups: Sequence[RolloutGroup],
        version: int,
        recompute: Recompute,
        allowed: float,
        device: torch.device | str = "cpu",
        has_dropout: bool = False,
    ) -> list[Rows]:
        """The old log-probabilities of the groups of a step; every rank must call it.

        Args:
            groups: of this rank.
            version: of the policy, as the engine counts.
            recompute: passes groups without gradient; every rank calls it as often, with any number of groups.
            allowed: mean absolute difference that rounding alone makes.
            device: where the strategy communicates.
            has_dropout: whether the passes of an update differ from each other by dropout.
        """
        if self.source == "rollout":
            return [_reported(group) for group in groups]
        if self.source == "recompute" or not self.one_update:
            return recompute(groups)
        fresh = [group.policy_version == version for group in groups]
        rows: dict[int, Rows] = {}
        if self.agrees is None or has_dropout:
            first = [place for place, is_fresh in enumerate(fresh) if is_fresh][:1]
            rows.update(zip(first, recompute([groups[place] for place in first]), strict=True))
            self._compare([(groups[place], rows[place]) for place in first], allowed, device)
        wrong = [place for place in range(len(groups)) if place not in rows and not (self.agrees and fresh[place])]
        rows.update(zip(wrong, recompute([groups[place] for place in wrong]), strict=True))
        return [rows.get(place) or _reported(group) for place, group in enumerate(groups)]

    def _compare(self, passed: Sequence[tuple[RolloutGroup, Rows]], allowed: float, device: torch.device | str) -> None:
        differences = [
            float((ours.cpu() - reported).abs().sum())
            for group, rows in passed
            for ours, reported in zip(rows, _reported(group), strict=True)
        ]
        tokens = sum(len(row) for _, rows in passed for row in rows)
        total, count = all_reduce([sum(differences), tokens], "sum", device)
        if not count:
            return  # no rank has a fresh group: ask again in the next step
        mean = total / count
        self.agrees = mean <= allowed  # false for NaN
        if not self.agrees and not self._warned:
            self._warned = True
            warnings.warn(
                f"update.old_logprobs: auto computes them again, because those of the rollout engine differ from the "
                f"policy's by {mean:.2g} on average, and rounding explains {allowed:.2g}. Give the loss an importance "
                "correction (importance: medix.losses.TruncatedImportance)",
                stacklevel=2,
            )

    def watch(self, difference: float, allowed: float) -> None:
        """Compare again in the next step if the update of this one saw another policy than the engine did.

        Args:
            difference: mean absolute difference of the step, the same on every rank; NaN if it is not known.
            allowed: as for ``of``.
        """
        if self.agrees and not math.isnan(difference) and difference > allowed:
            self.agrees = None

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run must know to take the same rows."""
        return {"agrees": self.agrees}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.agrees = state["agrees"]


def _reported(group: RolloutGroup) -> Rows:
    return tuple(torch.tensor(completion.logprobs, dtype=torch.float32) for completion in group.completions)
