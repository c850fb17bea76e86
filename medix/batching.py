"""Batch sizes: resolved, checked, and printed at start."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Batching:
    """Prompts per rollout, step and update, over all ranks.

    Args:
        prompts_per_step: groups that one step consumes.
        completions_per_prompt: G, from the engine's sampling.
        prompts_per_update: groups that one optimiser call sees.
        prompts_per_rollout: prompts of one loader batch; a step that drops groups without signal reads another one.
        tokens_per_microbatch: prompt and completion tokens of one forward pass; a longer completion has one of its own.
        ranks: number of processes.
        close_after: loader batches after which a step trains on fewer groups; None for never.
    """

    prompts_per_step: int
    completions_per_prompt: int
    prompts_per_update: int
    prompts_per_rollout: int
    tokens_per_microbatch: int
    ranks: int = 1
    close_after: int | None = None

    def __post_init__(self) -> None:
        if self.completions_per_prompt < 2:
            raise ValueError(
                f"completions_per_prompt: {self.completions_per_prompt}; a group needs at least 2 completions, because "
                "an advantage compares a completion with its group. Set model.engine.init_args.sampling."
                "completions_per_prompt to 2 or more (the paper takes 5)"
            )
        for name in ("prompts_per_step", "prompts_per_update", "prompts_per_rollout", "tokens_per_microbatch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} must be at least 1")
        self._divides("prompts_per_step", "prompts_per_update")
        for name in ("prompts_per_step", "prompts_per_update", "prompts_per_rollout"):
            if getattr(self, name) % self.ranks:
                raise ValueError(
                    f"{name}: {getattr(self, name)} prompts cannot be shared evenly by {self.ranks} ranks "
                    f"({getattr(self, name)} / {self.ranks} = {getattr(self, name) / self.ranks:g}); "
                    f"make it a multiple of {self.ranks}"
                )

    def _divides(self, whole: str, part: str) -> None:
        if getattr(self, whole) % getattr(self, part):
            raise ValueError(
                f"{whole}: {getattr(self, whole)} is not a multiple of {part}: {getattr(self, part)} "
                f"({getattr(self, whole)} / {getattr(self, part)} = {getattr(self, whole) / getattr(self, part):g}); "
                "all updates of a step must have the same number of prompts"
            )

    @property
    def updates_per_step(self) -> int:
        """Optimiser calls per step."""
        return self.prompts_per_step // self.prompts_per_update

    @property
    def _fewer(self) -> str:
        return "" if self.close_after is None else f", or as many as have signal after {self.close_after} rollouts"

    @property
    def _surplus(self) -> str:
        """What becomes of prompts that a rollout has more than a step trains."""
        if self.prompts_per_rollout <= self.prompts_per_step:
            return ""
        return f" (a step trains {self.prompts_per_step} with signal; others wait, and are dropped by max_staleness)"

    def rows(self) -> list[tuple[str, str]]:
        """Rows of the table printed at start."""
        completions = self.prompts_per_step * self.completions_per_prompt
        return [
            (
                "prompts per step",
                f"{self.prompts_per_step} ({self.prompts_per_step // self.ranks} on each of {self.ranks}){self._fewer}",
            ),
            ("completions per prompt", f"{self.completions_per_prompt}"),
            ("completions per step", f"{self.prompts_per_step} x {self.completions_per_prompt} = {completions}"),
            ("prompts per rollout", f"{self.prompts_per_rollout}{self._surplus}"),
            ("prompts per update", f"{self.prompts_per_update}"),
            ("updates per step", f"{self.prompts_per_step} / {self.prompts_per_update} = {self.updates_per_step}"),
            ("tokens per microbatch", f"{self.tokens_per_microbatch}"),
        ]
