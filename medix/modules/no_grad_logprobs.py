"""Log-probabilities under the old and the reference policy, computed without gradient."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from medix.distributed import all_reduce
from medix.modules.microbatch import Logprobs, LogprobsInChunks, gathering_once, microbatch_logprobs, plan
from medix.modules.training_group import TokenLogprobs
from medix.policy.base import Policy
from medix.policy.reference import in_evaluation
from medix.types import RolloutGroup


@dataclass(frozen=True)
class NoGradLogprobs:
    """Forward passes without gradient and without dropout, in micro-batches.

    Args:
        policy: its weights are loaded.
        tokens_per_microbatch: prompt and completion tokens of one pass.
        temperature: logits are divided by it, as when sampling.
        spare: any group of this rank. Where every pass gathers weights from all ranks, every rank must call the methods
            and makes equally many passes; one with fewer groups repeats it.
        device: device of the process group's backend.
    """

    policy: Policy
    tokens_per_microbatch: int
    temperature: float
    spare: RolloutGroup
    device: torch.device

    def old(self, groups: Sequence[RolloutGroup]) -> list[TokenLogprobs]:
        """Log-probabilities under the policy's present weights, one entry per group, on the CPU."""
        return self._run(self.policy.logprobs, self.policy.logprobs_in_chunks, groups)

    def reference(self, groups: Sequence[RolloutGroup]) -> list[TokenLogprobs]:
        """The same under the reference policy."""
        return self._run(self.policy.reference_logprobs, self.policy.reference_logprobs_in_chunks, groups)

    def _run(
        self, logprobs: Logprobs, in_chunks: LogprobsInChunks, groups: Sequence[RolloutGroup]
    ) -> list[TokenLogprobs]:
        batches = self._microbatches(groups)
        if self.policy.sharding.gathers_weights:
            batches = gathering_once(batches, self.policy.shares_prompts)
            passes = int(all_reduce([len(batches)], "max", self.device)[0])
            batches += [self._microbatches([self.spare])[0]] * (passes - len(batches))
        rows: list[Tensor] = []
        # Dropout would make the old and the reference policy different ones.
        with torch.no_grad(), in_evaluation(self.policy):
            padded = microbatch_logprobs(batches, logprobs, in_chunks, self.temperature)
            for batch, batch_rows in zip(batches, padded, strict=True):
                completions = [completion for group in batch for completion in group.completions]
                pairs = zip(batch_rows.cpu(), completions, strict=True)
                rows += [row[: len(completion.token_ids)] for row, completion in pairs]
        in_order = iter(rows)  # those of the spare group come last and are left over
        return [tuple(next(in_order) for _ in group.completions) for group in groups]

    def _microbatches(self, groups: Sequence[RolloutGroup]) -> list[list[RolloutGroup]]:
        return [
            [
                replace(groups[chunk.group], completions=groups[chunk.group].completions[chunk.start : chunk.stop])
                for chunk in batch
            ]
            for batch in plan(groups, self.tokens_per_microbatch, self.policy.shares_prompts)
        ]
