"""Preparation of scored groups for training: old and reference log-probabilities, KL penalties, advantages."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from medix.advantages.base import Advantage
from medix.advantages.subset import Subset, advantages_of
from medix.distributed import all_reduce, fail_together
from medix.losses.base import GroupLoss
from medix.losses.reward_kl import RewardKL
from medix.modules.image_dependence import ImageDependence, exchanged, image_shares
from medix.modules.loss_input import pad
from medix.modules.mismatch import probed_mismatch
from medix.modules.no_grad_logprobs import NoGradLogprobs
from medix.modules.training_group import TokenLogprobs, TrainingGroup
from medix.modules.update import Update
from medix.policy.base import Policy
from medix.rollout.buffer import has_logprobs
from medix.rollout.engine import RolloutEngine, RolloutError
from medix.types import Prompt, RolloutGroup, Sample, ScoredGroup


class Divergence(NamedTuple):
    """KL divergence from the reference policy, summed over tokens of this rank, and the number of these tokens."""

    nats: float
    tokens: float


@dataclass(frozen=True)
class Prepared:
    """The groups of one step on this rank.

    Attributes:
        scored: as they were scored.
        groups: the same, ready for training.
        divergence: from the reference policy, if there is a ``reward_kl``.
        mismatch: of the engine, over all ranks, where dropout keeps the updates from measuring it; else empty.
        images: ``image_share`` over all ranks, if there is an ``image_dependence``; else empty.
    """

    scored: list[ScoredGroup]
    groups: list[TrainingGroup]
    divergence: Divergence | None
    mismatch: dict[str, float] = field(default_factory=dict)
    images: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Preparation:
    """Computes old and reference log-probabilities, KL penalties and advantages.

    Args:
        policy: the model under training.
        engine: has sampled the groups.
        loss: may read reference log-probabilities.
        update: limits the size of a forward pass, and decides which groups need old log-probabilities.
        advantage: computes advantages from totals.
        reward_kl: a penalty subtracted from the totals before the advantage.
        image_dependence: measures how much answers need their images, and weights advantages.
        render: makes a prompt again, with other images.
        subset: chooses which completions of each group are trained on; None takes all.
    """

    policy: Policy
    engine: RolloutEngine
    loss: GroupLoss
    update: Update
    advantage: Advantage
    reward_kl: RewardKL | None
    image_dependence: ImageDependence | None = None
    render: Callable[[Sample, int], Prompt] | None = None
    subset: Subset | None = None

    def __call__(self, scored: Sequence[ScoredGroup], device: torch.device) -> Prepared:
        """Prepare the groups of one step; every rank must call it.

        Args:
            scored: groups of this rank.
            device: device of the process group's backend.
        """
        policy, rollouts = self.policy, [group.rollout for group in scored]
        passes = NoGradLogprobs(
            policy=policy,
            tokens_per_microbatch=self.update.tokens_per_microbatch,
            temperature=self.engine.sampling.temperature,
            spare=rollouts[0],
            device=device,
        )
        first, *later = self.update.minibatches(rollouts)
        # Each update has passes of its own: with the micro-batches of the update, these round as it does.
        old_later = [rows for groups in later for rows in passes.old(groups)]
        is_stale = [rollout.policy_version != self.engine.policy_version for rollout in rollouts]
        # Importance weights need a pass without dropout. Every rank must make it if one does.
        is_weighed = policy.has_dropout and (
            self.loss.needs_rollout_logprobs or all_reduce([any(is_stale)], "max", device)[0] > 0
        )
        needs_first = self.reward_kl is not None or self.image_dependence is not None or is_weighed
        old_first = passes.old(first) if needs_first else []
        probed: dict[str, float] = {}
        if policy.has_dropout and not old_first:
            probed = probed_mismatch(first[:1], passes.old(first[:1]), device)
        reference: Sequence[TokenLogprobs | None] = [None] * len(scored)
        totals = torch.tensor([group.signals for group in scored], dtype=torch.float64)
        divergence = None
        if self.loss.needs_reference_logprobs or self.reward_kl is not None:
            found = passes.reference(rollouts)
            reference = found
            if self.reward_kl is not None:
                penalties, divergence = _penalties(self.reward_kl, [*old_first, *old_later], found)
                totals = totals - penalties
        with fail_together():
            advantages = advantages_of(self.advantage, self.subset, totals, self._may_train(rollouts))
        images: dict[str, float] = {}
        if self.image_dependence is not None:
            shares = self._image_shares(passes, rollouts, [*old_first, *old_later])
            advantages = self.image_dependence.weigh(advantages, shares)
            images = _mean_share(shares, device)
        old = [*(None for _ in first), *old_later]  # the first update has these weights, and computes them itself
        undropped: Sequence[TokenLogprobs | None] = [None] * len(scored)
        if policy.has_dropout and old_first:
            undropped = [*old_first, *old_later]
        columns = zip(rollouts, advantages.tolist(), old, reference, is_stale, undropped, strict=True)
        groups = [TrainingGroup(rollout, tuple(row), *others) for rollout, row, *others in columns]
        return Prepared(list(scored), groups, divergence, probed, images)

    def _may_train(self, groups: Sequence[RolloutGroup]) -> Bool[Tensor, "prompt completion"]:
        """False for completions that ``update.truncated`` leaves out of training, whatever their advantage."""
        return torch.tensor([[self.update.trains(one, 0.0) for one in group.completions] for group in groups])

    def _image_shares(
        self, passes: NoGradLogprobs, groups: Sequence[RolloutGroup], own: Sequence[TokenLogprobs]
    ) -> Float[Tensor, "prompt completion"]:
        assert self.render is not None  # given with image_dependence
        with fail_together():
            others = exchanged(groups, self.render)
        rows = iter(passes.old([group for group in others if group is not None]))
        decode = self.policy.processor.tokenizer.decode
        return image_shares(groups, own, [None if group is None else next(rows) for group in others], decode)


def check_logprobs(groups: Sequence[ScoredGroup], loss: GroupLoss, engine: RolloutEngine) -> None:
    """Refuse groups whose engine left out log-probabilities that the loss reads.

    Raises:
        RolloutError: names the engine and the sample.
    """
    if not loss.needs_rollout_logprobs:
        return
    for group in groups:
        if not has_logprobs(group.rollout):
            raise RolloutError(
                f"{type(engine).__name__} reported no finite log-probability for some tokens of the completions of "
                f"sample {group.rollout.prompt.sample.id!r}, and loss.importance needs them; give another engine, or "
                "set loss.importance: null"
            )


def _mean_share(shares: Float[Tensor, "prompt completion"], device: torch.device) -> dict[str, float]:
    known = shares[~shares.isnan()]
    total, count = all_reduce([float(known.sum()), float(len(known))], "sum", device)
    return {"image_share": total / count if count else math.nan}


def _penalties(
    reward_kl: RewardKL, old: Sequence[TokenLogprobs], reference: Sequence[TokenLogprobs]
) -> tuple[Float[Tensor, "B G"], Divergence]:
    """The KL penalty of every completion, and the divergence of the step on this rank."""
    old_rows = [row for group in old for row in group]
    reference_rows = [row for group in reference for row in group]
    width, cpu = max(len(row) for row in old_rows), torch.device("cpu")
    padded = pad(old_rows, width, cpu), pad(reference_rows, width, cpu)
    mask = torch.arange(width) < torch.tensor([len(row) for row in old_rows])[:, None]
    tokens = float(mask.sum())
    divergence = Divergence(float(reward_kl.divergence(*padded, mask)) * tokens, tokens)
    return reward_kl(*padded, mask).view(len(old), -1).to(torch.float64), divergence
