"""The metrics of a finished step, and what follows from them."""

import math
from collections.abc import Mapping, Sequence

import torch

from medix.distributed import all_reduce
from medix.losses.base import GroupLoss
from medix.losses.reward_kl import RewardKL
from medix.modules.preparation import Divergence
from medix.rollout.engine import StaleEngineError
from medix.types import ScoredGroup


def step_metrics(
    updates: Sequence[Mapping[str, float]], groups: Sequence[ScoredGroup], policy_version: int, device: torch.device
) -> dict[str, float]:
    """The metrics of a step over all ranks; every rank must call it.

    Each metric is the mean over the updates that report it, but for these: ``skipped_updates`` is a sum; ``mismatch``
    and ``mismatch_kl`` are the first update's, because the later ones have another policy than the engine had;
    ``staleness`` is the mean age of the groups, in publishes before that of this step.

    Args:
        updates: metrics of every update, over all ranks.
        groups: trained on this rank.
        policy_version: of the weights before this step, as the rollout engine counts.
        device: device of the process group's backend.
    """
    names = dict.fromkeys(name for update in updates for name in update)
    metrics = {name: _mean([update[name] for update in updates if name in update]) for name in names}
    for name in ("mismatch_kl", "mismatch"):
        metrics[name] = updates[0].get(name, math.nan)
    metrics["skipped_updates"] = sum(update["skipped_updates"] for update in updates)
    behind = [policy_version - group.rollout.policy_version for group in groups]
    total, count = all_reduce([sum(behind), len(behind)], "sum", device)
    metrics["staleness"] = total / max(1.0, count)
    return metrics


def check_mismatch(mismatch: float, limit: float, engine: str, step: int) -> None:
    """Stop a run whose engine samples from other weights.

    Args:
        mismatch: the same number on every rank, so that all of them stop or none.
        limit: ``model.max_mismatch``.
        engine: class name of the rollout engine.
        step: number of the step, from 1.

    Raises:
        StaleEngineError: the mismatch exceeds the limit.
    """
    if mismatch > limit:
        raise StaleEngineError(
            f"step {step}: log-probabilities of {engine} differ from the policy's by {mismatch:.2g} on average, more "
            f"than model.max_mismatch: {limit:g} allows. It samples from other weights (was every update published?), "
            "from an old cache, or from images that are scaled otherwise. Nothing of this step is saved: repair the "
            "engine and start again from the last checkpoint"
        )


def adapt_coefficients(
    metrics: Mapping[str, float],
    sequences: int,
    loss: GroupLoss,
    reward_kl: RewardKL | None,
    divergence: Divergence | None,
    device: torch.device,
) -> dict[str, float]:
    """Update adaptive KL coefficients, with the same numbers on every rank.

    Args:
        metrics: those of the step.
        sequences: completions of the step, over all ranks.
        loss: may hold an adaptive coefficient.
        reward_kl: may hold another.
        divergence: of this rank, for ``reward_kl``.
        device: device of the process group's backend.

    Returns:
        ``reward_kl``, the divergence per token over all ranks; empty without ``reward_kl``.
    """
    if "loss" in metrics:  # otherwise every update was skipped
        loss.end_step(metrics, sequences)
    if reward_kl is None or divergence is None:
        return {}
    nats, tokens = all_reduce(divergence, "sum", device)
    reward_kl.update(nats / tokens, sequences)
    return {"reward_kl": nats / tokens}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
