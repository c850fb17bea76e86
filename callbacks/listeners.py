"""How parts of a run speak to each other: a hook is called on every callback that has it."""

from typing import Any

from lightning.pytorch import Trainer


def tell(trainer: Trainer, hook: str, *arguments: Any) -> None:
    """Call ``hook(trainer, *arguments)`` on every callback of the trainer that has it, in their order.

    Hooks beside Lightning's own: ``on_phase_start(trainer, module, name)``, ``on_phase_end(trainer, module, name,
    seconds)``, ``on_judged_groups(trainer, module, groups, records)`` for each validation batch on each rank, and
    ``on_judged(trainer, module, validation)`` once per validation with what all ranks found.
    """
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning does not declare it
    for callback in callbacks:
        listener = getattr(callback, hook, None)
        if listener is not None:
            listener(trainer, *arguments)
