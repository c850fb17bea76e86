"""Logging of rewards, losses and times of every step to all loggers."""

from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from medix.callbacks.step_axis import log_at_step
from medix.callbacks.watched import watched
from medix.distributed import gather
from medix.modules.record import StepRecord
from medix.reporting.tally import Tally, judge_tally, reward_tally


class LogRewards(Callback):
    """Logs every finished step.

    ``reward/total``, ``reward/<component>``, each also by ``/<MODALITY>`` and ``/unscored``; ``judge/unscored``,
    ``judge/distinct``, ``judge/cached``, ``judge/seconds`` and ``judge/confidence`` where a judge was asked;
    ``train/<metric>`` for the metrics of the updates (``train/loss``, ``train/grad_norm``, ``train/lr``);
    ``seconds/<phase>`` of the slowest rank, ``seconds/reward/<component>`` within it, and ``seconds/step``;
    ``train/tokens_per_second``, ``train/completions``, ``train/prompts_too_long``, ``train/samples_of_bad_shards``,
    ``train/rollouts``, ``train/ranks``.

    Args:
        every_n_steps: steps between logged steps.
    """

    def __init__(self, every_n_steps: int = 1) -> None:
        if every_n_steps < 1:
            raise ValueError(f"LogRewards.every_n_steps: {every_n_steps} must be at least 1")
        self.every_n_steps = every_n_steps

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Log the step that ended, if one did."""
        finished = watched(pl_module).finished_step
        if finished is not None and finished.step % self.every_n_steps == 0:
            log_at_step(trainer, step_metrics(finished), finished.step)


def step_metrics(finished: StepRecord) -> dict[str, float]:
    """Numbers of a step over all ranks, the same on each; NaN where nothing was scored."""
    rewards = gather(Tally.merged([reward_tally(finished.scored), judge_tally(finished.scored)]).entries)
    updates = gather(finished.metrics)
    seconds = gather(finished.seconds)
    components = gather(finished.component_seconds)
    completions = sum(len(group.scores) for group in finished.scored)
    counts = gather((finished.tokens, completions, finished.too_long, finished.bad_shards.total()))
    metrics = Tally.merged(Tally(part) for part in rewards).means()
    for name in updates[0]:
        metrics[f"train/{name}"] = sum(part[name] for part in updates) / len(updates)
    for name in sorted({name for part in seconds for name in part}):
        metrics[f"seconds/{name}"] = max(part.get(name, 0.0) for part in seconds)
    metrics["seconds/step"] = max(sum(part.values()) for part in seconds)
    for name in components[0]:
        metrics[f"seconds/reward/{name}"] = max(part.get(name, 0.0) for part in components)
    if metrics["seconds/step"] > 0:
        metrics["train/tokens_per_second"] = sum(tokens for tokens, *_ in counts) / metrics["seconds/step"]
    metrics["train/completions"] = float(sum(completions for _, completions, *_ in counts))
    metrics["train/prompts_too_long"] = float(sum(too_long for *_, too_long, _ in counts))
    metrics["train/samples_of_bad_shards"] = float(sum(bad for *_, bad in counts))
    metrics["train/rollouts"] = float(finished.rollouts)
    metrics["train/ranks"] = float(len(counts))
    return metrics
