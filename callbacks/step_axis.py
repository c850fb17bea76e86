"""Numbers of a step, logged against the step.

``self.log`` would put them against Lightning's own counter, which counts loader batches: with dynamic sampling a step
reads several, so curves of two runs would not line up. Loggers are therefore called directly.
"""

import math
from collections.abc import Mapping

import torch
from lightning.pytorch import Trainer


def log_at_step(trainer: Trainer, metrics: Mapping[str, float], step: int) -> None:
    """Give numbers to every logger with the step as x, and to callbacks that monitor.

    Args:
        trainer: holds loggers and ``callback_metrics``.
        metrics: the same on every rank; NaN is left out, which every rank therefore does alike.
        step: finished steps.
    """
    known = {name: value for name, value in metrics.items() if not math.isnan(value)}
    tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in known.items()}
    trainer.callback_metrics.update(tensors)
    trainer.logged_metrics.update(tensors)
    for logger in trainer.loggers:
        logger.log_metrics(known, step=step)
        logger.save()
