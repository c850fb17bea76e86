"""How many groups a step trains on, and when it has them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StepSize:
    """A step closes when it has all its groups or, if that is allowed, after some loader batches with those it has.

    Args:
        prompts_per_step: groups of a full step, over all ranks.
        close_after: loader batches after which a step closes with fewer; None waits for all.
        max_rollouts: loader batches after which a step without enough groups is an error.
    """

    prompts_per_step: int
    close_after: int | None
    max_rollouts: int

    def __post_init__(self) -> None:
        if self.close_after is not None and not 1 <= self.close_after <= self.max_rollouts:
            raise ValueError(
                f"model.close_after_rollouts: {self.close_after} is not from 1 to max_rollouts_per_step: "
                f"{self.max_rollouts}, after which a step without groups ends the run; null waits for all groups"
            )

    def groups(self, found: int, rollouts: int, ranks: int) -> int:
        """Groups that a step takes now; 0 if it reads on. Depends on nothing but its arguments, equal on every rank.

        Args:
            found: groups with signal that wait, over all ranks.
            rollouts: loader batches that the step has read.
            ranks: each trains equally many; what is left over waits for the next step.
        """
        if found >= self.prompts_per_step:
            return self.prompts_per_step
        if self.close_after is None or rollouts < self.close_after:
            return 0
        return found // ranks * ranks
