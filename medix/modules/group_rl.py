"""The LightningModule: policy, rollouts, rewards, group-RL updates."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable

from medix.advantages.base import Advantage
from medix.advantages.grpo import GRPOAdvantage
from medix.advantages.subset import Subset
from medix.batching import Batching
from medix.data.prompting import Prompting
from medix.distributed import all_reduce, fail_together, gather, stop_together, world_size
from medix.judge.base import Judge
from medix.losses.base import GroupLoss
from medix.losses.reward_kl import RewardKL
from medix.modality import ModalitySet
from medix.modules import checkpoint as state
from medix.modules.composition import check_coefficients, check_penalties, compose
from medix.modules.image_dependence import ImageDependence
from medix.modules.last_step import LastStep, rewound_by_a_signal
from medix.modules.no_signal import check_signal
from medix.modules.no_update import NoUpdates
from medix.modules.optimizer_settings import OptimizerSettings
from medix.modules.phase import phase
from medix.modules.preparation import Preparation, Prepared, check_logprobs
from medix.modules.random_states import restore_random_states
from medix.modules.record import StepRecord
from medix.modules.rollouts import create_rollouts
from medix.modules.run_module import RunModule
from medix.modules.selection import finish_step
from medix.modules.step_metrics import adapt_coefficients, check_mismatch, step_metrics
from medix.modules.step_size import StepSize
from medix.modules.update import Update
from medix.policy.base import Policy
from medix.rewards.suite import RewardSuite
from medix.rollout.buffer import GroupBuffer
from medix.rollout.engine import EvaluationSampling, RolloutEngine
from medix.rollout.signal import GroupFilter, SpreadFilter
from medix.types import PromptBatch, ScoredGroup


class GroupRLModule(RunModule):
    """Group-based reinforcement learning with a composite reward (MediX-R1, arXiv:2602.23363).

    One step consumes ``prompts_per_step`` groups and makes ``prompts_per_step / prompts_per_update`` optimiser calls.
    Limits, schedules, logs and checkpoints count steps, not optimiser calls; the trainer's own ``max_steps`` and
    ``max_epochs`` stay unset.

    Args:
        policy: the model under training.
        engine: samples completions; its ``sampling`` holds G, lengths, temperature and seed of those of training.
        rewards: the reward suite.
        loss: the group-RL loss.
        update: how groups become optimiser calls.
        prompts_per_step: groups consumed by one step, over all ranks.
        max_steps: steps to train.
        prompts_per_rollout: prompts of one loader batch, over all ranks; a step with too few groups with signal reads
            another one. None takes ``prompts_per_step``.
        advantage: computes advantages from totals.
        group_filter: selects the groups to train on.
        prompting: renders samples as prompts.
        optimizer: created with the trainable parameters.
        lr_scheduler: stepped once per step; None keeps the learning rate.
        evaluation: how validation, test and prediction sample, with a seed of their own.
        judge: the judge of rewards and validation; linked from the ``judge`` of a spec.
        reward_kl: a penalty for leaving the reference policy, subtracted from the totals.
        modalities: tags of prompts and rewards; the paper's 16 if None.
        max_rollouts_per_step: loader batches that a step may read before it stops with an error.
        max_mismatch: mean absolute difference between the engine's log-probabilities and the policy's, above which the
            run stops: the engine has other weights, or an old cache. Rounding in bf16 accounts for a few hundredths.
        rollouts_ahead: 1 samples the next batch while the policy is updated on this one: one step off-policy. Needs an
            engine that samples with weights of its own.
        max_staleness: publishes after which a group that waits is dropped. What older weights sampled is weighted by
            ``update.stale_importance``, or by the loss's own importance correction.
        image_dependence: measures in each step how much answers need their images; None does not.
        subset: chooses which completions of each group are trained on; None takes all.
        close_after_rollouts: loader batches after which a step trains on the groups with signal that it has, if it has
            one for each rank, in place of reading on until it has ``prompts_per_step``; the last update of such a step
            may be smaller than ``prompts_per_update``. ``train/groups`` logs how many a step trained on. None waits.
    """

    def __init__(
        self,
        policy: Policy,
        engine: RolloutEngine,
        rewards: RewardSuite,
        loss: GroupLoss,
        update: Update,
        prompts_per_step: int,
        max_steps: int,
        prompts_per_rollout: int | None = None,
        advantage: Advantage | None = None,
        group_filter: GroupFilter | None = None,
        prompting: Prompting | None = None,
        optimizer: OptimizerCallable = torch.optim.AdamW,
        lr_scheduler: LRSchedulerCallable | None = None,
        evaluation: EvaluationSampling | None = None,
        judge: Judge | None = None,
        reward_kl: RewardKL | None = None,
        modalities: ModalitySet | Sequence[str] | None = None,
        max_rollouts_per_step: int = 20,
        max_mismatch: float = 0.5,
        rollouts_ahead: Literal[0, 1] = 0,
        max_staleness: int = 1,
        image_dependence: ImageDependence | None = None,
        subset: Subset | None = None,
        close_after_rollouts: int | None = None,
    ) -> None:
        super().__init__()
        for name, value in (("max_steps", max_steps), ("max_rollouts_per_step", max_rollouts_per_step)):
            if value < 1:
                raise ValueError(f"model.{name}: {value} must be at least 1")
        self.automatic_optimization = False
        self.strict_loading = False  # frozen weights are in no checkpoint; on_load_checkpoint checks the others
        self.policy = policy
        self.engine = engine
        self.loss = loss
        self.update = update
        self.advantage = advantage or GRPOAdvantage()
        compose(loss, self.advantage, engine.sampling.max_completion_tokens)
        check_penalties(rewards, engine.sampling.max_completion_tokens)
        self.filter = group_filter or SpreadFilter()
        self.prompting = prompting or Prompting()
        self.modalities = ModalitySet.of(modalities)
        self.prompting.use_modalities(self.modalities)
        rewards.use_modalities(self.modalities)
        if judge is not None:
            rewards.use_judge(judge, replace=False)
        self.rewards = rewards
        self.judge = judge
        self.reward_kl = reward_kl
        self.optimizer = optimizer
        self.lr_scheduler = lr_scheduler
        self.evaluation = evaluation or EvaluationSampling()
        self.prompts_per_step = prompts_per_step
        self.prompts_per_rollout = prompts_per_rollout or prompts_per_step
        self.max_steps = max_steps
        self.max_rollouts_per_step = max_rollouts_per_step
        self.step_size = StepSize(prompts_per_step, close_after_rollouts, max_rollouts_per_step)
        self.max_mismatch = max_mismatch
        self.preparation = Preparation(
            policy, engine, loss, update, self.advantage, reward_kl, image_dependence, self._render, subset
        )
        self.rollouts = create_rollouts(engine, rewards, rollouts_ahead, max_rollouts_per_step, max_staleness)
        self.buffer = GroupBuffer(max_staleness)
        _check_weights(loss, max_staleness)
        self._run_state = state.RunState(engine, self.buffer, self.rollouts, loss, reward_kl)
        self.step = self.updates = self.position = 0
        self._no_updates = NoUpdates()
        self.finished_step: StepRecord | None = None
        self._record = StepRecord(step=1)
        self.last_step: LastStep | None = None
        self._pending_random_states: dict[str, Any] | None = None
        self.suite: dict[str, str] = {}
        self._settings: OptimizerSettings | None = None
        self._resumed: dict[str, Any] = {}
        self.batching(ranks=1)  # refuses impossible sizes before any weights are read
        completions = engine.sampling.completions_per_prompt
        self._trained_per_prompt = completions if subset is None else subset.count(completions)
        check_coefficients(loss, reward_kl, prompts_per_step * self._trained_per_prompt)

    @rewound_by_a_signal
    def training_step(self, prompts: PromptBatch, index: int) -> None:  # noqa: ARG002  # Lightning's signature
        """Roll out and score one loader batch; once enough groups have signal, make the updates of one step."""
        self.begin(prompts)
        with self.phase("rollout"), self.sampling():
            rolled = self.rollouts.next_batch(list(prompts))  # judges start during sampling
        with self.phase("reward"), fail_together(), self.abandonable():
            scored = rolled.scoring.close(rolled.groups, gather)
        self._record.add_scored(scored, rolled.scoring.seconds)
        self.collect(scored)
        count = self.ready()  # the same on every rank
        if not count:
            return  # dynamic sampling: read another loader batch
        with fail_together():
            kept = self.take(count)
        with self.phase("old_logprobs"):
            prepared = self.preparation(kept, self.device)
        with self.phase("update"):
            metrics = [self.update.step(self, batch) for batch in self.update.minibatches(prepared.groups)]
        with self.phase("publish"):
            self.rollouts.publish(self.policy)
        self.end(prepared, metrics)

    def collect(self, scored: list[ScoredGroup]) -> None:
        """Buffer the groups with signal, and drop those that are too old by now."""
        self.buffer.extend(self.filter.keep(scored))
        self._record.dropped += self.buffer.discard(self.engine.policy_version)

    def ready(self) -> int:
        """Groups that the step takes now, over all ranks; 0 if it has to read another loader batch.

        Raises:
            NoSignalError: ``max_rollouts_per_step`` batches did not give enough groups.
        """
        (found,) = all_reduce([len(self.buffer)], "sum", self.device)
        count = self.step_size.groups(int(found), self._record.rollouts, world_size())
        if not count:
            check_signal(self._record, int(found), self.prompts_per_step, self.max_rollouts_per_step, self.filter)
        return count

    def take(self, count: int) -> list[ScoredGroup]:
        """This rank's share of the groups of a step; every rank must call it."""
        kept = self.buffer.take(self.update.prompts_per_update, count, self._render)
        check_logprobs(kept, self.loss, self.engine)
        return kept

    def begin(self, prompts: PromptBatch) -> None:
        """Start a loader batch; after a resume, restore the random states, now that the data loaders have started."""
        if self._pending_random_states is not None:
            restore_random_states(self._pending_random_states)
            self._pending_random_states = None
        self.finished_step = None
        self.position = prompts.next_index
        self._record.rollouts += 1
        self._record.too_long += prompts.too_long
        self._record.bad_shards.update(prompts.bad_shards)

    def end(self, prepared: Prepared, updates: list[dict[str, float]]) -> None:
        """Finish a step: metrics, counters, learning rate, the record that callbacks read, and the end of the run."""
        self._no_updates.check(updates, self.step + 1)
        dropped = len(self._record.dropped)
        metrics = step_metrics(updates, prepared, dropped, self.engine.policy_version - 1, self.device)
        rounding = math.inf if self.loss.needs_rollout_logprobs else self.policy.rounding
        check_mismatch(metrics, self.max_mismatch, rounding, type(self.engine).__name__, self.step + 1)
        metrics["lr"] = float(self.optimizers().param_groups[0]["lr"])  # type: ignore[union-attr]
        if self.step_size.close_after is not None:
            metrics["groups"] = float(len(prepared.groups) * world_size())
        batches = zip(self.update.minibatches(prepared.groups), updates, strict=True)
        prompts = world_size() * sum(len(batch) for batch, update in batches if not update["skipped_updates"])
        sequences = prompts * self._trained_per_prompt
        metrics |= adapt_coefficients(metrics, sequences, self.loss, self.reward_kl, prepared.divergence, self.device)
        self._record.close(prepared.scored, prepared.groups, metrics, self.update.trains)
        self.updates += len(updates)
        self.step += 1
        scheduler = self.lr_schedulers()
        if scheduler is not None:
            scheduler.step()  # type: ignore[union-attr]
        self.finished_step, self._record = self._record, StepRecord(step=self.step + 1)
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]  # Lightning does not declare it
        finish_step(datamodule, self.step, self.position, self.finished_step.scored)
        self.last_step = LastStep.of(self)
        if stop_together(self.device) or self.step >= self.max_steps:
            self.trainer.should_stop = True

    def rewind(self) -> None:
        """Go back to the last finished step, after rollouts or rewards were abandoned, and end the run."""
        if self.last_step is not None:
            self.last_step.restore(self)
        self.finished_step, self._record = None, StepRecord(step=self.step + 1)
        self.trainer.should_stop = True

    def phase(self, name: str) -> AbstractContextManager[None]:
        """Time a phase of the step, and call ``on_phase_start`` and ``on_phase_end`` of callbacks that have them."""
        return phase(name, self, self._record.seconds)

    def batching(self, ranks: int) -> Batching:
        """The resolved batch sizes.

        Raises:
            ValueError: incompatible sizes, with the arithmetic.
        """
        return Batching(
            prompts_per_step=self.prompts_per_step,
            completions_per_prompt=self.engine.sampling.completions_per_prompt,
            prompts_per_update=self.update.prompts_per_update,
            prompts_per_rollout=self.prompts_per_rollout,
            tokens_per_microbatch=self.update.tokens_per_microbatch,
            ranks=ranks,
            close_after=self.step_size.close_after,
        )


def _check_weights(loss: GroupLoss, max_staleness: int) -> None:
    """Refuse a loss that would train on groups of older weights as if the present ones had sampled them."""
    if max_staleness and not (loss.weighs_tokens or loss.needs_rollout_logprobs):
        raise ValueError(
            f"model.max_staleness: {max_staleness} trains on groups of older weights, but {type(loss).__name__} does "
            "not weight them. Multiply the loss of each token by LossInput.weights and return True from weighs_tokens, "
            "or set max_staleness: 0"
        )
