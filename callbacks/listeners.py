"""Callback hooks in addition to Lightning's."""

from typing import Any

from lightning.pytorch import Trainer


def call_hook(trainer: Trainer, hook: str, *arguments: Any) -> None:
    """Call ``hook(trainer, *arguments)`` on every callback of the trainer that has it, in order.

    Hooks in addition to Lightning's: ``on_phase_start(trainer, module, name)``, ``on_phase_end(trainer, module, name,
    seconds)``, ``on_judged_groups(trainer, module, groups, records)`` for each validation batch on each rank, and
    ``on_judged(trainer, module, validation)`` once per validation with the results of all ranks.
    """
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning does not declare it
    for callback in callbacks:
        listener = getattr(callback, hook, None)
        if listener is not None:
            listener(trainer, *arguments)
