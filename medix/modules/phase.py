"""A timed phase of a training step."""

import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from lightning.pytorch import LightningModule


@contextmanager
def phase(name: str, module: LightningModule, seconds: MutableMapping[str, float]) -> Iterator[None]:
    """Add the wall time of the block to ``seconds[name]``, and call the hooks of callbacks that have them.

    The hooks are ``on_phase_start(trainer, module, name)`` and ``on_phase_end(trainer, module, name, seconds)``. After
    an error in the block, ``on_phase_end`` is not called.
    """
    trainer = module.trainer
    callbacks: list[Any] = trainer.callbacks  # type: ignore[attr-defined]  # Lightning does not declare it
    for callback in callbacks:
        if hasattr(callback, "on_phase_start"):
            callback.on_phase_start(trainer, module, name)
    start = time.perf_counter()
    yield
    taken = time.perf_counter() - start
    seconds[name] = seconds.get(name, 0.0) + taken
    for callback in callbacks:
        if hasattr(callback, "on_phase_end"):
            callback.on_phase_end(trainer, module, name, taken)
