"""One optimiser call on a set of groups: planned, counted, accumulated, clipped."""

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from medix.distributed import all_reduce, world_size
from medix.losses.base import GroupLoss, LossInput
from medix.modules.passes import tables
from medix.numerics.divergence import k3
from medix.policy.base import Policy
from medix.rollout.engine import RolloutEngine
from medix.types import Completion, RolloutGroup


@dataclass(frozen=True)
class TrainingGroup:
    """A group ready to be trained: its scored completions with their advantages and old log-probabilities.

    Attributes:
        rollout: the prompt with the completions that were scored; unscored ones are left out.
        advantages: one per completion.
        old: per completion, its tokens' log-probabilities under the policy that the ratio is taken against.
        reference: the same under the reference policy, if the loss or the reward asks for it.
    """

    rollout: RolloutGroup
    advantages: tuple[float, ...]
    old: tuple[Tensor, ...]
    reference: tuple[Tensor, ...] | None = None

    def rows(self, start: int, stop: int) -> "TrainingGroup":
        """Completions ``start`` to ``stop`` of the group."""
        return self._at(range(start, stop))

    def only(self, wanted: Callable[[Completion, float], bool]) -> "TrainingGroup":
        """The group without completions that are not wanted, given each and its advantage."""
        pairs = zip(self.rollout.completions, self.advantages, strict=True)
        return self._at([place for place, pair in enumerate(pairs) if wanted(*pair)])

    def _at(self, places: Sequence[int]) -> "TrainingGroup":
        return TrainingGroup(
            rollout=replace(self.rollout, completions=tuple(self.rollout.completions[place] for place in places)),
            advantages=tuple(self.advantages[place] for place in places),
            old=tuple(self.old[place] for place in places),
            reference=None if self.reference is None else tuple(self.reference[place] for place in places),
        )


@dataclass(frozen=True)
class Denominators:
    """Counts over all micro-batches and all ranks of one update."""

    tokens: float
    sequences: float
    longest: float


class _Trained(Protocol):
    """What an update needs of the module it updates."""

    policy: Policy
    loss: GroupLoss
    engine: RolloutEngine

    @property
    def device(self) -> torch.device: ...

    @property
    def shards_parameters(self) -> bool: ...

    def optimizers(self) -> Any: ...

    def manual_backward(self, loss: Tensor) -> None: ...

    def gradients_stay_local(self, stay: bool) -> AbstractContextManager[Any]: ...


if TYPE_CHECKING:
    Trained = _Trained
else:
    # From Python 3.12 on a check against a protocol looks past __getattr__, where torch keeps the policy.
    Trained = Any


class Update:
    """How groups become optimiser calls.

    Args:
        prompts_per_update: groups per optimiser call, over all ranks.
        tokens_per_microbatch: prompt and completion tokens of one forward pass, a prompt once for all completions of
            its group if the policy passes it once; a group that does not fit is split by completions. Changes memory
            and speed, never the gradient.
        max_grad_norm: the gradient is scaled down to this norm; None leaves it.
        old_logprobs: ``rollout`` takes what the engine returned, ``recompute`` runs one more pass, ``auto`` takes the
            engine's when a step makes one update, the groups are fresh and the engine computes what the policy does.
        truncated: what becomes of completions that the token limit cut: trained as they are, or left out of the loss
            and its counts; in the mean and spread of their group they stay (overlong filtering, arXiv:2503.14476,
            section 3.4). ``SoftOverlongPenalty`` is the third way.
    """

    def __init__(
        self,
        prompts_per_update: int,
        tokens_per_microbatch: int = 16384,
        max_grad_norm: float | None = 1.0,
        old_logprobs: Literal["auto", "rollout", "recompute"] = "auto",
        truncated: Literal["train", "leave_out"] = "train",
    ) -> None:
        if max_grad_norm is not None and max_grad_norm <= 0:
            raise ValueError(f"update.max_grad_norm: {max_grad_norm} must be above 0; null switches clipping off")
        self.prompts_per_update = prompts_per_update
        self.tokens_per_microbatch = tokens_per_microbatch
        self.max_grad_norm = max_grad_norm
        self.old_logprobs = old_logprobs
        self.truncated = truncated

    def trains(self, completion: Completion, advantage: float) -> bool:
        """Whether a completion is trained on; one that is unscored has no advantage (NaN)."""
        return not math.isnan(advantage) and not (completion.is_truncated and self.truncated == "leave_out")

    def minibatches(self, groups: Sequence[TrainingGroup]) -> Iterator[Sequence[TrainingGroup]]:
        """The groups of this rank, as many at a time as one update takes."""
        size = self.prompts_per_update // world_size()
        for start in range(0, len(groups), size):
            yield groups[start : start + size]

    def microbatches(self, groups: Sequence[TrainingGroup], shares_prompts: bool = True) -> list[list[TrainingGroup]]:
        """Groups that share a forward pass, in order, within ``tokens_per_microbatch``.

        Parts of a group that does not fit have passes of their own, one after the other. A single completion that is
        longer than the limit has one as well. Groups without completions have none.

        Args:
            groups: of one update.
            shares_prompts: a pass counts the prompt of a group once and not once per completion.
        """
        batches: list[list[TrainingGroup]] = []
        room = 0
        for group in groups:
            if not group.rollout.completions:
                continue  # none was scored, or none ended, and the filter of groups kept it all the same
            parts = list(self._parts(group, shares_prompts))
            cost = _tokens(parts[0], shares_prompts)
            if len(parts) > 1 or cost > room or not batches:
                batches += [[part] for part in parts]
                room = 0 if len(parts) > 1 else self.tokens_per_microbatch - cost
            else:
                batches[-1].append(group)
                room -= cost
        return batches

    def _parts(self, group: TrainingGroup, shares_prompts: bool) -> Iterator[TrainingGroup]:
        total, start = len(group.rollout.completions), 0
        for stop in range(1, total + 1):
            fits = stop < total and _tokens(group.rows(start, stop + 1), shares_prompts) <= self.tokens_per_microbatch
            if not fits:
                yield group.rows(start, stop)
                start = stop

    def step(self, module: Trained, groups: Sequence[TrainingGroup]) -> dict[str, float]:
        """Accumulate the gradient of one minibatch over its micro-batches, clip it, step the optimiser.

        Where the gradient is not finite, or no rank has a completion to train on, the weights stay; it is counted.

        Returns:
            The loss's metrics, the loss, the gradient norm before clipping; the same on every rank.
        """
        optimizer = module.optimizers()
        metrics = self.accumulate(module, groups)
        if not metrics:
            return {"skipped_updates": 1.0}
        norm = self._clip(module)
        if math.isfinite(norm):
            optimizer.step()
        # A step on a gradient that is not finite would ruin the weights; it is left out, counted and logged.
        return metrics | {"grad_norm": norm, "skipped_updates": 0.0 if math.isfinite(norm) else 1.0}

    def accumulate(self, module: Trained, groups: Sequence[TrainingGroup]) -> dict[str, float]:
        """The gradient of one minibatch, in place of the one before; the loss and its metrics, over all ranks.

        Completions that are not trained on leave here. A rank that has none left makes passes for nothing, since the
        others wait for it.

        Args:
            module: the policy with its loss and optimiser.
            groups: of this rank, one at least.

        Returns:
            No metrics where no rank has a completion to train on, nor a gradient.
        """
        module.optimizers().zero_grad()
        kept = [group.only(self.trains) for group in groups]
        counts = count(kept, module.device)
        if not counts.sequences:
            warnings.warn(_nothing_left(groups), stacklevel=2)
            return {}
        batches = self.microbatches(kept, module.policy.shares_prompts)
        if module.shards_parameters:
            # Weights are gathered for every group: ranks must gather equally often, so a pass takes one.
            batches = [[part] for batch in batches for part in batch]
        counted = len(batches)
        passes = max(1, counted)
        if module.shards_parameters:
            passes = int(all_reduce([passes], "max", module.device)[0])
        # One that is unscored has no advantage, which the loss would refuse.
        spare = batches[0] if batches else [replace(groups[0].rows(0, 1), advantages=(0.0,))]
        batches += [spare] * (passes - counted)
        sums: dict[str, float] = {}
        policy, temperature = module.policy, module.engine.sampling.temperature
        rollouts = [[group.rollout for group in batch] for batch in batches]
        found = tables(rollouts, policy.logprobs, policy.logprobs_in_chunks, temperature)
        for i, (batch, rows) in enumerate(zip(batches, found, strict=True)):
            with module.gradients_stay_local(i < passes - 1):
                self._accumulate(module, batch, rows, counts, i < counted, sums)
        return _reduced(sums, module.device)

    def _accumulate(
        self,
        module: Trained,
        batch: Sequence[TrainingGroup],
        policy_logprobs: Float[Tensor, "row time"],
        counts: Denominators,
        is_counted: bool,
        sums: dict[str, float],
    ) -> None:
        given = loss_input(batch, policy_logprobs, counts)
        output = module.loss(given)
        # Strategies average gradients over ranks; the denominators are global already. A pass for nothing must give
        # every weight a gradient of 0, also where its loss is not finite.
        loss = output.loss * world_size() if is_counted else policy_logprobs.sum() * 0.0
        module.manual_backward(loss)
        metrics = {"loss": output.loss.detach(), **output.metrics, **mismatch(given, module.policy.has_dropout)}
        for name, value in metrics.items():
            sums[name] = sums.get(name, 0.0) + (float(value) if is_counted else 0.0)

    def _clip(self, module: Trained) -> float:
        trained = [parameter for parameter in module.policy.parameters() if parameter.grad is not None]
        limit = math.inf if self.max_grad_norm is None else self.max_grad_norm
        norm = clip_grad_norm_(trained, limit)
        full = norm.full_tensor() if hasattr(norm, "full_tensor") else norm  # a sharded gradient has a sharded norm
        return float(full)


def count(groups: Sequence[TrainingGroup], device: torch.device) -> Denominators:
    """Tokens, sequences and the longest completion of one update, over all ranks."""
    lengths = [len(c.token_ids) for group in groups for c in group.rollout.completions]
    tokens, sequences = all_reduce([sum(lengths), len(lengths)], "sum", device)
    return Denominators(tokens, sequences, all_reduce([max(lengths, default=0)], "max", device)[0])


def loss_input(
    batch: Sequence[TrainingGroup], policy_logprobs: Float[Tensor, "row time"], counts: Denominators
) -> LossInput:
    """What the loss sees of one micro-batch, padded to the width of the policy's rows."""
    device, width = policy_logprobs.device, policy_logprobs.shape[1]
    completions = [c for group in batch for c in group.rollout.completions]
    lengths = torch.tensor([len(c.token_ids) for c in completions], device=device)
    references = [group.reference for group in batch if group.reference is not None]
    return LossInput(
        policy_logprobs=policy_logprobs,
        old_logprobs=pad([row for group in batch for row in group.old], width, device),
        advantages=torch.tensor([a for group in batch for a in group.advantages], dtype=torch.float32, device=device),
        completion_mask=torch.arange(width, device=device) < lengths[:, None],
        token_count=counts.tokens,
        sequence_count=counts.sequences,
        longest=int(counts.longest),
        reference_logprobs=pad([row for rows in references for row in rows], width, device) if references else None,
        rollout_logprobs=pad([torch.tensor(c.logprobs, dtype=torch.float32) for c in completions], width, device),
    )


def mismatch(batch: LossInput, has_dropout: bool = False) -> dict[str, Tensor]:
    """How far the rollout engine's probabilities lie from the policy's, as shares of a mean over the tokens trained.

    ``mismatch_kl`` is KL(engine‖policy) by k3; ``mismatch`` the mean absolute difference of log-probabilities;
    ``mismatch_share`` how many of the tokens they are taken over. Where the old row of a completion is the engine's it
    says nothing about it, and the policy's present one stands for it: right in the first update of a step. With dropout
    that one belongs to no policy, and the completion is left out.

    Args:
        batch: one micro-batch.
        has_dropout: whether the policy's present rows were made with dropout.
    """
    if batch.rollout_logprobs is None:
        return {}
    with torch.no_grad():
        given = batch.cleaned()
        assert given.rollout_logprobs is not None
        is_engines = (given.old_logprobs == given.rollout_logprobs).all(dim=1, keepdim=True)
        before = torch.where(is_engines, given.policy_logprobs, given.old_logprobs)
        measured = given.completion_mask & ~(is_engines & has_dropout)
        return {
            "mismatch_kl": (k3(given.rollout_logprobs, before) * measured).sum() / batch.token_count,
            "mismatch": ((given.rollout_logprobs - before).abs() * measured).sum() / batch.token_count,
            "mismatch_share": measured.sum() / batch.token_count,
        }


def _reduced(sums: dict[str, float], device: torch.device) -> dict[str, float]:
    """Metrics over all ranks; means over some of the tokens are made of their shares."""
    metrics = dict(zip(sums, all_reduce(list(sums.values()), "sum", device), strict=True))
    share = metrics.pop("mismatch_share", None)
    if share is None:
        return metrics
    means = {name: metrics[name] / share if share else math.nan for name in ("mismatch_kl", "mismatch")}
    return metrics | means


def _nothing_left(groups: Sequence[TrainingGroup]) -> str:
    completions = [completion for group in groups for completion in group.rollout.completions]
    cut = sum(completion.is_truncated for completion in completions)
    return (
        f"an update was skipped: none of its completions can be trained on. On this rank {cut} of {len(completions)} "
        "were cut by max_completion_tokens, the others have no score; raise it, or give update.truncated: train"
    )


def pad(rows: Sequence[Tensor], width: int, device: torch.device) -> Float[Tensor, "row time"]:
    """Rows of different length, right-padded with 0 to the width."""
    padded = torch.zeros(len(rows), width, dtype=torch.float32, device=device)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row.to(device)
    return padded


def _tokens(group: TrainingGroup, shares_prompts: bool) -> int:
    completions = group.rollout.completions
    prompts = 1 if shares_prompts else len(completions)
    return prompts * len(group.rollout.prompt.token_ids) + sum(len(completion.token_ids) for completion in completions)
