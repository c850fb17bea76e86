"""The metrics of a finished step, and what follows from them."""

import math
import warnings
from collections.abc import Mapping, Sequence

import torch

from medix.distributed import all_reduce
from medix.losses.base import GroupLoss
from medix.losses.reward_kl import RewardKL
from medix.modules.preparation import Divergence, Prepared
from medix.rollout.engine import StaleEngineError


def step_metrics(
    updates: Sequence[Mapping[str, float]],
    prepared: Prepared,
    dropped: int,
    policy_version: int,
    device: torch.device,
) -> dict[str, float]:
    """The metrics of a step over all ranks; every rank must call it.

    Each metric is the mean over the updates that report it, skipped ones left out unless all were skipped, but for
    these: ``skipped_updates`` is a sum; ``mismatch``, ``mismatch_kl`` (groups of the weights before this step) and
    ``drift`` (groups of older weights) leave out updates without such groups; ``staleness`` and ``max_staleness`` are
    the mean and the largest age of the groups, in publishes before that of this step; ``dropped_groups`` were too old,
    or too old for an engine that reports no log-probabilities.

    Args:
        updates: metrics of every update, over all ranks.
        prepared: the groups trained on this rank.
        dropped: groups that this rank dropped.
        policy_version: of the weights before this step, as the rollout engine counts.
        device: device of the process group's backend.
    """
    made = made_updates(updates) or updates
    names = dict.fromkeys(name for update in made for name in update)
    metrics = {name: _mean([update[name] for update in made if name in update]) for name in names}
    for name in ("mismatch_kl", "mismatch", "drift"):
        known = [update[name] for update in made_updates(updates) if not math.isnan(update.get(name, math.nan))]
        metrics[name] = _mean(known) if known else math.nan
    metrics |= prepared.mismatch | prepared.images
    metrics["skipped_updates"] = sum(update["skipped_updates"] for update in updates)
    behind = [policy_version - group.rollout.policy_version for group in prepared.scored]
    total, count, lost = all_reduce([sum(behind), len(behind), dropped], "sum", device)
    metrics["staleness"] = total / max(1.0, count)
    metrics["max_staleness"] = all_reduce([max(behind, default=0)], "max", device)[0]
    metrics["dropped_groups"] = lost
    return metrics


def made_updates(updates: Sequence[Mapping[str, float]]) -> list[Mapping[str, float]]:
    """Metrics of the updates that changed the weights: only these may adapt anything."""
    return [update for update in updates if not update["skipped_updates"]]


def check_mismatch(metrics: Mapping[str, float], limit: float, rounding: float, engine: str, step: int) -> None:
    """Stop a run whose engine samples from other weights, and warn of one that rounds otherwise.

    Args:
        metrics: of the step, the same on every rank, so that all of them stop or none.
        limit: ``model.max_mismatch``.
        rounding: the mean absolute difference that rounding alone explains; infinite if the loss corrects for more.
        engine: class name of the rollout engine.
        step: number of the step, from 1.

    Raises:
        StaleEngineError: the mismatch exceeds the limit.
    """
    mismatch = metrics["mismatch"]
    if mismatch > rounding:
        # Without numbers, so that Python shows it once.
        warnings.warn(
            f"log-probabilities of {engine} differ from the policy's by more than rounding explains (train/mismatch). "
            "Give the loss an importance correction (importance: medix.losses.TruncatedImportance)",
            stacklevel=2,
        )
    if math.isnan(mismatch) and metrics.get("drift", math.nan) > limit:
        warnings.warn(
            "the policy has moved from the weights that sampled its groups by more than model.max_mismatch "
            f"(train/drift): the learning rate is too high, or {engine} samples from other weights than those "
            "published",
            stacklevel=2,
        )
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

    A step whose updates were all skipped adapts nothing.

    Args:
        metrics: those of the step.
        sequences: completions of the updates that were made, over all ranks.
        loss: may hold an adaptive coefficient.
        reward_kl: may hold another.
        divergence: of this rank, for ``reward_kl``.
        device: device of the process group's backend.

    Returns:
        ``reward_kl``, the divergence per token over all ranks; empty without ``reward_kl``.
    """
    if sequences:
        loss.end_step(metrics, sequences)
    if reward_kl is None or divergence is None:
        return {}
    nats, tokens = all_reduce(divergence, "sum", device)
    per_token = nats / tokens if tokens else math.nan
    if sequences:
        reward_kl.update(per_token, sequences)
    return {"reward_kl": per_token}


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
