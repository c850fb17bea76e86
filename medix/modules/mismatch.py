"""How far the rollout engine's log-probabilities lie from the policy's."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from medix.losses.base import LossInput
from medix.numerics.divergence import k3


def mismatch(batch: LossInput, has_dropout: bool = False) -> dict[str, Tensor]:
    """Compare the engine with the policy before the update, on one micro-batch.

    Each value is a sum divided by the token count of the whole update, so that values of micro-batches and ranks add
    up; ``mismatch_means`` turns the sums into means over the compared tokens.

    Where the old log-probabilities of a completion are the engine's own, the policy's present ones are compared
    instead, which are those before the update in the first update of a step. With dropout they are not the policy's,
    and the completion is left out.

    Args:
        batch: one micro-batch.
        has_dropout: whether ``policy_logprobs`` were computed with dropout.

    Returns:
        ``mismatch_kl``: KL(engine‖policy), estimated by k3. ``mismatch``: the absolute difference of log-probabilities.
        ``mismatch_share``: the share of tokens that were compared. Empty if the engine reported no log-probabilities.
    """
    if batch.rollout_logprobs is None:
        return {}
    with torch.no_grad():
        given = batch.cleaned()
        assert given.rollout_logprobs is not None
        is_engines = (given.old_logprobs == given.rollout_logprobs).all(dim=1, keepdim=True)
        before = torch.where(is_engines, given.policy_logprobs, given.old_logprobs)
        compared = given.completion_mask & ~(is_engines & has_dropout)
        return {
            "mismatch_kl": (k3(given.rollout_logprobs, before) * compared).sum() / batch.token_count,
            "mismatch": ((given.rollout_logprobs - before).abs() * compared).sum() / batch.token_count,
            "mismatch_share": compared.sum() / batch.token_count,
        }


def mismatch_means(metrics: Mapping[str, float]) -> dict[str, float]:
    """Divide ``mismatch`` and ``mismatch_kl`` by ``mismatch_share``; NaN where no token was compared."""
    means = dict(metrics)
    share = means.pop("mismatch_share", None)
    if share is None:
        return means
    return means | {name: means[name] / share if share else math.nan for name in ("mismatch_kl", "mismatch")}
