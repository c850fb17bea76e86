"""Log-probabilities under the policy before a step: the rollout engine's, or recomputed."""

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch

from medix.distributed import all_reduce
from medix.modules.training_group import TokenLogprobs
from medix.types import RolloutGroup

Recompute = Callable[[Sequence[RolloutGroup]], list[TokenLogprobs]]
"""Runs groups through the policy without gradient."""


class OldLogprobs:
    """Provides the log-probabilities that ratios are taken against.

    With ``auto``, the engine's log-probabilities are used if a step makes one update, the group was sampled with the
    present weights, and the engine agrees with the policy. To find out, one group is run through the policy in the
    first step, and again after a step whose mismatch exceeds rounding; with dropout in every step, because the passes
    of an update then do not show the policy's own log-probabilities. An engine that rounds differently is not an error:
    its log-probabilities are recomputed, and the difference is left to the importance correction of the loss.

    Args:
        source: ``rollout`` takes the engine's, ``recompute`` runs one more forward pass, ``auto`` decides.
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
    ) -> list[TokenLogprobs]:
        """Return the old log-probabilities of the groups of a step. Every rank must call it.

        Args:
            groups: of this rank.
            version: of the policy's present weights, as the engine counts.
            recompute: called equally often on every rank, with any number of groups.
            allowed: mean absolute difference that rounding alone explains.
            device: device of the process group's backend.
            has_dropout: whether the passes of an update use dropout.
        """
        if self.source == "rollout":
            return [_reported(group) for group in groups]
        if self.source == "recompute" or not self.one_update:
            return recompute(groups)
        fresh = [group.policy_version == version for group in groups]
        rows: dict[int, TokenLogprobs] = {}
        if self.agrees is None or has_dropout:
            first = [index for index, is_fresh in enumerate(fresh) if is_fresh][:1]
            rows.update(zip(first, recompute([groups[index] for index in first]), strict=True))
            self._compare([(groups[index], rows[index]) for index in first], allowed, device)
        wrong = [index for index in range(len(groups)) if index not in rows and not (self.agrees and fresh[index])]
        rows.update(zip(wrong, recompute([groups[index] for index in wrong]), strict=True))
        return [rows.get(index) or _reported(group) for index, group in enumerate(groups)]

    def _compare(
        self, passed: Sequence[tuple[RolloutGroup, TokenLogprobs]], allowed: float, device: torch.device | str
    ) -> None:
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
                f"update.old_logprobs: auto recomputes them, because those of the rollout engine differ from the "
                f"policy's by {mean:.2g} on average, and rounding explains {allowed:.2g}. Give the loss an importance "
                "correction (importance: medix.losses.TruncatedImportance)",
                stacklevel=2,
            )

    def watch(self, difference: float, allowed: float) -> None:
        """Compare again in the next step if the mismatch of this one exceeds rounding.

        Args:
            difference: mean absolute difference of the step, the same on every rank; NaN if unknown.
            allowed: mean absolute difference that rounding alone explains.
        """
        if self.agrees and not math.isnan(difference) and difference > allowed:
            self.agrees = None

    def state_dict(self) -> dict[str, Any]:
        """Whether the engine agrees, so that a resumed run decides alike."""
        return {"agrees": self.agrees}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self.agrees = state["agrees"]


def _reported(group: RolloutGroup) -> TokenLogprobs:
    return tuple(torch.tensor(completion.logprobs, dtype=torch.float32) for completion in group.completions)
