"""What a finished step tells the selector of the training data."""

import math
from collections.abc import Iterable
from typing import Any

from medix.data.selectors.selector import Outcome
from medix.distributed import gather
from medix.reporting.tally import has_spread
from medix.types import ScoredGroup


def outcome_of(group: ScoredGroup) -> Outcome:
    """Whether the completions of a group differ in what advantages are computed from, and their mean total."""
    signals = [signal for signal in group.signals if not math.isnan(signal)]
    totals = [total for total in group.totals if not math.isnan(total)]
    return Outcome(
        draw=group.rollout.prompt.index,
        has_spread=has_spread(signals) if len(signals) > 1 else None,
        reward=math.fsum(totals) / len(totals) if totals else math.nan,
    )


def finish_step(datamodule: Any, step: int, position: int, scored: Iterable[ScoredGroup]) -> None:
    """Let the selector of a data module use a finished step; every rank must call it.

    Args:
        datamodule: of the run; one without a selector is left alone.
        step: number of finished steps.
        position: of the data after the step.
        scored: groups that this rank has scored for the step.
    """
    selector = getattr(datamodule, "selector", None)
    if selector is None:
        return
    outcomes: list[Outcome] = []
    if selector.needs_outcomes:
        parts = gather([outcome_of(group) for group in scored])
        outcomes = sorted((outcome for part in parts for outcome in part), key=lambda outcome: outcome.draw)
    selector.finish_step(step, position, outcomes)
