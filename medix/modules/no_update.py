"""The end of a run whose updates are all skipped."""

import math
from collections.abc import Mapping, Sequence

LIMIT = 10
"""Steps in a row."""


class NoUpdateError(RuntimeError):
    """Nothing was learned for too many steps."""


class NoUpdates:
    """Counts the steps in a row without an update that changed the weights; begins anew with every start of a run."""

    def __init__(self) -> None:
        self.steps = 0

    def check(self, updates: Sequence[Mapping[str, float]], step: int) -> None:
        """Count a step.

        Args:
            updates: metrics of its updates, the same on every rank.
            step: its number, from 1.

        Raises:
            NoUpdateError: ``LIMIT`` steps in a row had none; says why, and what to change.
        """
        self.steps = self.steps + 1 if all(update["skipped_updates"] for update in updates) else 0
        if self.steps < LIMIT:
            return
        numbers = {name: update[name] for update in updates for name in ("loss", "grad_norm") if name in update}
        broken = ", ".join(f"{name} {value}" for name, value in numbers.items() if not math.isfinite(value))
        cause, remedy = "none of their completions could be trained on", "raise max_completion_tokens"
        if broken:
            cause, remedy = f"loss or gradient was not finite ({broken})", "lower the learning rate, or repair the loss"
        raise NoUpdateError(
            f"step {step}: every update of the last {LIMIT} steps was skipped, because {cause}. The weights are those "
            f"before them: {remedy}, and start again from the last checkpoint"
        )
