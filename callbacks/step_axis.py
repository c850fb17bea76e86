"""Logging of metrics with the step as x axis.

``self.log`` would use Lightning's own counter, which counts loader batches: with dynamic sampling a step reads several
batches, so the curves of two runs would not align. Loggers are therefore called directly.
"""

import math
from collections.abc import Mapping

import torch
from lightning.pytorch import Trainer

from medix.files.atomic_file import naming


def log_at_step(trainer: Trainer, metrics: Mapping[str, float], step: int) -> None:
    """Pass metrics to every logger, with the step as x axis, and to callbacks that monitor metrics.

    Args:
        trainer: has the loggers and ``callback_metrics``.
        metrics: identical on every rank; NaN is left out.
        step: number of finished steps.
    """
    known = {name: value for name, value in metrics.items() if not math.isnan(value)}
    tensors = {name: torch.tensor(value, dtype=torch.float64) for name, value in known.items()}
    trainer.callback_metrics.update(tensors)
    trainer.logged_metrics.update(tensors)
    for logger in trainer.loggers:
        with naming(logger.log_dir or "logs"):
            logger.log_metrics(known, step=step)
            logger.save()
