"""How far the rollout engine's log-probabilities lie from the policy's."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from medix.distributed import all_reduce
from medix.losses.base import LossInput
from medix.modules.training_group import TokenLogprobs
from medix.numerics.divergence import k3
from medix.numerics.masking import masked_sum
from medix.types import RolloutGroup


def mismatch(batch: LossInput, is_stale: Bool[Tensor, " row"] | None = None) -> dict[str, Tensor]:
    """Compare the engine with the policy before the updates of the step, on one micro-batch.

    Completions of the present weights show how far engine and trainer differ; those of older weights also how far the
    policy has moved, and are reported apart.

    Each value is a sum divided by the token count of the whole update, so that values of micro-batches and ranks add
    up; ``mismatch_means`` turns the sums into means over the compared tokens. Tokens without a finite log-probability
    from the engine are left out.

    Args:
        batch: one micro-batch; its ``sampling_logprobs`` were computed without dropout.
        is_stale: completions that older weights sampled; None for none.

    Returns:
        ``mismatch_kl``: KL(engine‖policy), estimated by k3. ``mismatch``: the absolute difference of log-probabilities.
        ``mismatch_share``: the share of tokens that were compared. ``drift`` and ``drift_share``: the absolute
        difference for completions of older weights. Empty without ``rollout_logprobs``.
    """
    if batch.rollout_logprobs is None:
        return {}
    with torch.no_grad():
        given = batch.cleaned()
        assert given.rollout_logprobs is not None
        ours = given.sampling_logprobs
        known = given.completion_mask & given.rollout_logprobs.isfinite()
        old = torch.zeros_like(known) if is_stale is None else is_stale[:, None].expand_as(known)
        difference, ones = (given.rollout_logprobs - ours).abs(), torch.ones_like(ours)
        values = {
            "mismatch_kl": (k3(given.rollout_logprobs, ours), known & ~old),
            "mismatch": (difference, known & ~old),
            "mismatch_share": (ones, known & ~old),
            "drift": (difference, known & old),
            "drift_share": (ones, known & old),
        }
        return {name: masked_sum(*pair) / batch.token_count for name, pair in values.items()}


def mismatch_means(metrics: Mapping[str, float]) -> dict[str, float]:
    """Divide ``mismatch``, ``mismatch_kl`` and ``drift`` by their shares; NaN where no token was compared."""
    means = dict(metrics)
    for kind, names in (("mismatch", ("mismatch_kl", "mismatch")), ("drift", ("drift",))):
        share = means.pop(f"{kind}_share", None)
        if share is not None:
            means |= {name: means[name] / share if share else math.nan for name in names}
    return means


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
