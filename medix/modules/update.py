"""One optimiser call on a set of groups: gradient accumulation, clipping, the optimiser's step."""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from medix.distributed import all_reduce, gather, world_size
from medix.losses.base import GroupLoss
from medix.losses.importance import ImportanceCorrection, TruncatedImportance
from medix.modules.loss_input import Denominators, count, loss_input, stale_rows, weigh_stale
from medix.modules.microbatch import gathering_once, microbatch_logprobs, plan
from medix.modules.mismatch import mismatch, mismatch_means
from medix.modules.training_group import TrainingGroup
from medix.policy.base import Policy
from medix.rollout.engine import RolloutEngine
from medix.types import Completion

T = TypeVar("T")


class _Trained(Protocol):
    """What an update needs from the module it updates."""

    policy: Policy
    loss: GroupLoss
    engine: RolloutEngine

    @property
    def device(self) -> torch.device: ...

    def optimizers(self) -> Any: ...

    def manual_backward(self, loss: Tensor) -> None: ...


if TYPE_CHECKING:
    Trained = _Trained
else:
    # The run-time type checks of the tests would refuse a GroupRLModule: from Python 3.12 on, isinstance with a
    # protocol does not find attributes through __getattr__, as nn.Module serves submodules such as the policy.
    Trained = Any


class Update:
    """How groups become optimiser calls.

    Args:
        prompts_per_update: groups per optimiser call, over all ranks.
        tokens_per_microbatch: prompt and completion tokens of one forward pass. The prompt of a group counts once if
            the policy processes it once for all completions. A group that does not fit is split by completions. Changes
            memory and speed, never the gradient.
        max_grad_norm: the gradient is scaled down to this norm; None switches clipping off.
        old_logprobs: kept for specs of earlier versions. Ratios are taken against the trainer's own log-probabilities
            under the weights before the step: the first update has these weights, and takes those of its own pass, so
            that its ratios are exactly 1; later updates take those of one pass without gradient. ``auto`` and
            ``recompute`` both stand for this; ``rollout``, the engine's log-probabilities, is refused.
        truncated: ``train`` trains on completions that the token limit cut; ``leave_out`` removes them from the loss
            and its token counts, but not from the mean and spread of their group (overlong filtering,
            arXiv:2503.14476, section 3.4). ``SoftOverlongPenalty`` is an alternative to both.
        stale_importance: bounds the weight π_old / μ of completions that older weights sampled (μ, as the engine
            recorded it), which the loss of their tokens is multiplied by: the decoupled objective of
            arXiv:2110.00641, as in AReaL (arXiv:2505.24298). None truncates it at 2. Not used if the loss has an
            importance correction of its own, which covers these completions too.
    """

    def __init__(
        self,
        prompts_per_update: int,
        tokens_per_microbatch: int = 16384,
        max_grad_norm: float | None = 1.0,
        old_logprobs: Literal["auto", "recompute", "rollout"] = "auto",
        truncated: Literal["train", "leave_out"] = "train",
        stale_importance: ImportanceCorrection | None = None,
    ) -> None:
        if max_grad_norm is not None and max_grad_norm <= 0:
            raise ValueError(f"update.max_grad_norm: {max_grad_norm} must be above 0; null switches clipping off")
        if old_logprobs == "rollout":
            raise ValueError(
                "update.old_logprobs: rollout is refused: the engine's log-probabilities differ from the policy's by "
                "rounding, and ratios would not be 1 before the first update. Leave it out; what the engine computed "
                "enters as an importance weight (loss.importance: medix.losses.TruncatedImportance)"
            )
        stale_importance = stale_importance or TruncatedImportance()
        if not stale_importance.low <= 1 <= stale_importance.high:
            raise ValueError(
                f"update.stale_importance: low {stale_importance.low} and high {stale_importance.high} must have 1 "
                "between them, the weight of a token that both policies find equally likely"
            )
        self.prompts_per_update = prompts_per_update
        self.tokens_per_microbatch = tokens_per_microbatch
        self.max_grad_norm = max_grad_norm
        self.truncated = truncated
        self.stale_importance = stale_importance

    def trains(self, completion: Completion, advantage: float) -> bool:
        """Whether a completion is trained on. An unscored completion, whose advantage is NaN, is not."""
        return not math.isnan(advantage) and not (completion.is_truncated and self.truncated == "leave_out")

    def minibatches(self, groups: Sequence[T]) -> Iterator[Sequence[T]]:
        """Split the groups of this rank into those of each update."""
        size = self.prompts_per_update // world_size()
        for start in range(0, len(groups), size):
            yield groups[start : start + size]

    def microbatches(self, groups: Sequence[TrainingGroup], shares_prompts: bool = True) -> list[list[TrainingGroup]]:
        """Groups, or parts of one, that share a forward pass; see ``microbatch.plan``."""
        batches = plan([group.rollout for group in groups], self.tokens_per_microbatch, shares_prompts)
        return [[groups[chunk.group].rows(chunk.start, chunk.stop) for chunk in batch] for batch in batches]

    def step(self, module: Trained, groups: Sequence[TrainingGroup]) -> dict[str, float]:
        """Accumulate the gradient of one minibatch over its micro-batches, clip it, step the optimiser.

        The optimiser's step is skipped, and counted as skipped, if the loss or the gradient is not finite or no rank
        has a completion to train on.

        Returns:
            The loss, its metrics and the gradient norm before clipping; the same on every rank.
        """
        optimizer = module.optimizers()
        metrics = self.accumulate(module, groups)
        if not metrics:
            return {"skipped_updates": 1.0}
        norm = math.nan
        if math.isfinite(metrics["loss"]):
            norm = module.policy.sharding.step(optimizer, module.policy.parameters(), self.max_grad_norm)
        is_finite = math.isfinite(norm)
        if not is_finite:
            warnings.warn(_NOT_FINITE, stacklevel=2)
        return metrics | {"grad_norm": norm, "skipped_updates": 0.0 if is_finite else 1.0}

    def accumulate(self, module: Trained, groups: Sequence[TrainingGroup]) -> dict[str, float]:
        """Compute the gradient of one minibatch, replacing any previous one.

        Completions that are not trained on are removed first. A rank without any left makes a dummy pass, because the
        other ranks wait for its gradient.

        Args:
            module: the policy with its loss and optimiser.
            groups: of this rank, at least one.

        Returns:
            The loss and its metrics over all ranks; empty, without a gradient, if no rank has a completion to train on.
        """
        policy, sharding = module.policy, module.policy.sharding
        sharding.forget_gradient(module.optimizers())
        kept = [group.only(self.trains) for group in groups]
        counts = count(kept, module.device)
        if not counts.sequences:
            warnings.warn(_nothing_left(groups), stacklevel=2)
            return {}
        batches = self.microbatches(kept, policy.shares_prompts)
        if sharding.gathers_weights:
            batches = gathering_once(batches, policy.shares_prompts)
        counted = len(batches)
        passes = max(1, counted)
        if sharding.reduces_every_pass:
            passes = int(all_reduce([passes], "max", module.device)[0])
        # The loss refuses the NaN advantage of an unscored completion.
        dummy = batches[0] if batches else [replace(groups[0].rows(0, 1), advantages=(0.0,))]
        batches += [dummy] * (passes - counted)
        sums: dict[str, float] = {}
        temperature = module.engine.sampling.temperature
        rollouts = [[group.rollout for group in batch] for batch in batches]
        logprobs = microbatch_logprobs(rollouts, policy.logprobs, policy.logprobs_in_chunks, temperature)
        for i, (batch, rows) in enumerate(zip(batches, logprobs, strict=True)):
            with sharding.micro_batch(is_last=i == passes - 1):
                self._accumulate(module, batch, rows, counts, i < counted, sums)
        return mismatch_means(dict(zip(sums, all_reduce(list(sums.values()), "sum", module.device), strict=True)))

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
        weights: dict[str, Tensor] = {}
        if not module.loss.needs_rollout_logprobs:
            given, weights = weigh_stale(batch, given, self.stale_importance)
        output = module.loss(given)
        # Strategies average gradients over ranks, but the denominators are already global. A dummy pass must still
        # produce a zero gradient for every parameter, even if its loss is not finite.
        loss = output.loss * world_size() if is_counted else policy_logprobs.sum() * 0.0
        module.manual_backward(loss)
        metrics = {"loss": output.loss.detach(), **output.metrics, **weights}
        if not module.policy.has_dropout or given.undropped_logprobs is not None:
            metrics |= mismatch(given, stale_rows(batch, module.device))
        for name, value in metrics.items():
            sums[name] = sums.get(name, 0.0) + (float(value) if is_counted else 0.0)


_NOT_FINITE = (
    "an update was skipped: its loss or gradient is not finite. The weights are as before, and such updates are "
    "counted (train/skipped_updates); if they go on, lower the learning rate, or set update.max_grad_norm"
)


def _nothing_left(groups: Sequence[TrainingGroup]) -> str:
    completions = [completion for group in groups for completion in group.rollout.completions]
    own = (sum(completion.is_truncated for completion in completions), len(completions))
    cut, total = map(sum, zip(*gather(own), strict=True))
    return (
        f"an update was skipped: none of its completions can be trained on. {cut} of {total} were cut by "
        "max_completion_tokens, the others are unscored; raise max_completion_tokens, or set update.truncated: train"
    )
