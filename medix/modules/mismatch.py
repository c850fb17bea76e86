"""How far the rollout engine's log-probabilities lie from the policy's."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from medix.distributed import all_reduce
from medix.losses.base import LossInput
from medix.modules.training_group import TokenLogprobs
from medix.numerics.divergence import k3
from medix.numerics.masking import masked_sum
from medix.types import RolloutGroup


def mismatch(batch: LossInput) -> dict[str, Tensor]:
    """Compare the engine with the policy before the updates of the step, on one micro-batch.

    Each value is a sum divided by the token count of the whole update, so that values of micro-batches and ranks add
    up; ``mismatch_means`` turns the sums into means over the compared tokens. Tokens without a finite log-probability
    from the engine are left out.

    Args:
        batch: one micro-batch, whose old log-probabilities were computed without dropout.

    Returns:
        ``mismatch_kl``: KL(engine‖policy), estimated by k3. ``mismatch``: the absolute difference of log-probabilities.
        ``mismatch_share``: the share of tokens that were compared. Empty without ``rollout_logprobs``.
    """
    if batch.rollout_logprobs is None:
        return {}
    with torch.no_grad():
        given = batch.cleaned()
        assert given.rollout_logprobs is not None
        compared = given.completion_mask & given.rollout_logprobs.isfinite()
        values = {
            "mismatch_kl": k3(given.rollout_logprobs, given.old_logprobs),
            "mismatch": (given.rollout_logprobs - given.old_logprobs).abs(),
            "mismatch_share": torch.ones_like(given.old_logprobs),
        }
        return {name: masked_sum(value, compared) / batch.token_count for name, value in values.items()}


def mismatch_means(metrics: Mapping[str, float]) -> dict[str, float]:
    """Divide ``mismatch`` and ``mismatch_kl`` by ``mismatch_share``; NaN where no token was compared."""
    means = dict(metrics)
    share = means.pop("mismatch_share", None)
    if share is None:
        return means
    return means | {name: means[name] / share if share else math.nan for name in ("mismatch_kl", "mismatch")}


def probed_mismatch(
    groups: Sequence[RolloutGroup], passed: Sequence[TokenLogprobs], device: torch.device
) -> dict[str, float]:
    """The same means for groups that passed through the policy without dropout, over all ranks; all must call it."""
    sums = torch.zeros(3, dtype=torch.float64)
    for group, rows in zip(groups, passed, strict=True):
        for completion, row in zip(group.completions, rows, strict=True):
            engine, ours = torch.tensor(completion.logprobs, dtype=torch.float64), row.double().cpu()
            if len(engine) == len(ours):
                known = engine.isfinite()
                pair = k3(engine, ours), (engine - ours).abs(), torch.ones_like(ours)
                sums += torch.stack([masked_sum(value, known) for value in pair])
    total = all_reduce(sums.tolist(), "sum", device)
    return mismatch_means(dict(zip(("mismatch_kl", "mismatch", "mismatch_share"), total, strict=True)))
