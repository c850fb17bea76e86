"""The LightningModule: policy, rollouts, rewards, group-RL updates."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import lightning.pytorch as lightning
import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.strategies import DDPStrategy, ModelParallelStrategy
from torch import Tensor

from medix.advantages.base import Advantage
from medix.advantages.grpo import GRPOAdvantage
from medix.data.prompting import Prompting
from medix.distributed import all_reduce, fail_together, gather, rank, world_size
from medix.judge.base import Judge
from medix.losses.base import GroupLoss
from medix.losses.reward_kl import RewardKL
from medix.modality import ModalitySet
from medix.modules import checkpoint as state
from medix.modules.batching import Batching
from medix.modules.old_logprobs import OldLogprobs
from medix.modules.passes import Logprobs, LogprobsInChunks, tables
from medix.modules.record import StepRecord
from medix.modules.rollouts import Rollouts, RolloutsAhead
from medix.modules.strategy import check_strategy, distribute
from medix.modules.update import TrainingGroup, Update, pad
from medix.policy.base import Policy
from medix.policy.reference import in_evaluation
from medix.rewards.suite import RewardSuite
from medix.rollout.buffer import GroupBuffer
from medix.rollout.engine import EvaluationSampling, RolloutEngine, StaleEngineError
from medix.rollout.signal import GroupFilter, SpreadFilter
from medix.types import PromptBatch, RolloutGroup, ScoredGroup


class NoSignalError(RuntimeError):
    """Many rollouts in a row gave too few groups to learn from."""


class GroupRLModule(lightning.LightningModule):
    """Group-based reinforcement learning with a composite reward (MediX-R1, arXiv:2602.23363).

    One step consumes ``prompts_per_step`` groups and makes ``prompts_per_step / prompts_per_update`` optimiser calls.
    Steps, not optimiser calls, are what limits, schedules, logs and checkpoints count; the trainer's own
    ``max_steps`` and ``max_epochs`` stay unset.

    Args:
        policy: the model under training.
        engine: samples completions; its ``sampling`` holds G, lengths, temperature and the seed of all draws.
        rewards: the reward suite.
        loss: the group-RL loss.
        update: how groups become optimiser calls.
        prompts_per_step: groups consumed by one step, over all ranks.
        max_steps: steps to train.
        prompts_per_rollout: prompts read at once, over all ranks; a step short of groups with signal reads again.
            None takes ``prompts_per_step``.
        advantage: from totals to advantages.
        group_filter: which groups are trained.
        prompting: how samples become prompts.
        optimizer: built on the trainable parameters.
        lr_scheduler: stepped once per step; None keeps the learning rate.
        evaluation: how validation, test and prediction sample.
        judge: the judge of rewards and validation; linked from the ``judge`` of a spec.
        reward_kl: a penalty for leaving the reference policy, subtracted from the totals.
        modalities: tags of prompts and rewards; the paper's 16 if None.
        max_rollouts_per_step: loader batches that a step may read before it stops with an error.
        max_mismatch: mean absolute difference between the engine's log-probabilities and the policy's, above which the
            run stops: the engine has other weights, or an old cache. Rounding in bf16 makes some hundredths.
        rollouts_ahead: 1 samples the next batch while the policy is updated on this one: one step off-policy, for an
            engine that samples elsewhere and a loss with an importance correction.
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
        modalities: ModalitySet | None = None,
        max_rollouts_per_step: int = 20,
        max_mismatch: float = 0.5,
        rollouts_ahead: Literal[0, 1] = 0,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.strict_loading = False  # frozen weights come from the policy's name; on_load_checkpoint checks the rest
        self.policy = policy
        self.engine = engine
        self.loss = loss
        self.update = update
        self.advantage = advantage or GRPOAdvantage()
        self.filter = group_filter or SpreadFilter()
        self.prompting = prompting or Prompting()
        self.modalities = modalities or ModalitySet()
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
        self.max_mismatch = max_mismatch
        self.old_logprobs = OldLogprobs(update.old_logprobs, one_update=prompts_per_step == update.prompts_per_update)
        if rollouts_ahead and max_rollouts_per_step < 2:
            raise ValueError(
                "model.max_rollouts_per_step: 1 is too few for rollouts_ahead: 1, whose first batch gives no groups yet"
            )
        self.rollouts = _rollouts(engine, rewards, loss, rollouts_ahead)
        self.buffer = GroupBuffer()
        self.step = 0
        self.updates = 0
        self.position = 0
        self.finished_step: StepRecord | None = None
        self._record = StepRecord(step=1)
        self._divergence = (0.0, 0.0)
        self._pending_random_states: dict[str, Any] | None = None
        self.batching(ranks=1)  # refuses impossible sizes before any weight is read

    # The algorithm ---------------------------------------------------------------------------------------------------

    def training_step(self, prompts: PromptBatch, index: int) -> None:  # noqa: ARG002  # Lightning's signature
        """One loader batch: rollout, reward, and, once enough groups have signal, the updates of one step."""
        self.begin(prompts)
        with self.phase("rollout"), fail_together():
            rolled = self.rollouts.next_batch(list(prompts))  # judges start while others are still being sampled
        with self.phase("reward"), fail_together():
            scored = rolled.scoring.close(rolled.groups, gather)
        self.buffer.extend(self.filter.keep(scored))
        self._record.add_scored(scored, rolled.scoring.seconds)
        if not self.is_ready():  # every rank agrees, or none steps
            return  # dynamic sampling is just another loader batch
        kept = self.buffer.take(self.prompts_per_step // world_size())
        with self.phase("old_logprobs"):
            training = self.prepare(kept)
        with self.phase("update"):
            metrics = [self.update.step(self, batch) for batch in self.update.minibatches(training)]
        with self.phase("publish"):
            with fail_together():
                self.rollouts.drain()
            self.engine.publish(self.policy)
        self.end(kept, metrics)

    def is_ready(self) -> bool:
        """Whether every rank holds its share of a step.

        Raises:
            NoSignalError: the step read ``max_rollouts_per_step`` batches in vain.
        """
        needed = self.prompts_per_step // world_size()
        (fewest,) = all_reduce([len(self.buffer)], "min", self.device)
        if fewest < needed and self._record.rollouts >= self.max_rollouts_per_step:
            flat = sum(1 for group in self._record.scored if not self.filter.keep([group]))
            raise NoSignalError(
                f"step {self.step + 1}: {self._record.rollouts} rollouts (model.max_rollouts_per_step) gave "
                f"{int(fewest)} of {needed} groups with signal; {flat} of {len(self._record.scored)} groups had totals "
                "without spread. The policy is right or wrong on whole groups: look at the recorded completions, raise "
                "the temperature or completions_per_prompt, use harder or easier data, or lower model.prompts_per_step"
            )
        return fewest >= needed

    def prepare(self, groups: Sequence[ScoredGroup]) -> list[TrainingGroup]:
        """Advantages, old and reference log-probabilities of the groups of one step."""
        policy, rollouts = self.policy, [group.rollout for group in groups]
        old = self.old_logprobs.of(
            rollouts,
            self.engine.policy_version,
            lambda wanted: self._without_gradient(policy.logprobs, policy.logprobs_in_chunks, wanted, rollouts[0]),
            policy.rounding,
            self.device,
            policy.has_dropout,
        )
        reference: Sequence[tuple[Tensor, ...] | None] = [None] * len(groups)
        if self.loss.needs_reference_logprobs or self.reward_kl is not None:
            reference = self._without_gradient(
                policy.reference_logprobs, policy.reference_logprobs_in_chunks, rollouts, rollouts[0]
            )
        totals = torch.tensor([group.signals for group in groups], dtype=torch.float64)
        if self.reward_kl is not None:
            totals = totals - self._penalties(old, reference)
        advantages = self.advantage(totals).tolist()
        self._record.advantages = [tuple(row) for row in advantages]
        whole = [
            TrainingGroup(group.rollout, tuple(row), o, r)
            for group, row, o, r in zip(groups, advantages, old, reference, strict=True)
        ]
        trained = [group.only(self.update.trains) for group in whole]
        self._record.tokens = sum(len(c.token_ids) for group in trained for c in group.rollout.completions)
        return whole

    def _without_gradient(
        self,
        logprobs: Logprobs,
        logprobs_in_chunks: LogprobsInChunks,
        groups: Sequence[RolloutGroup],
        spare: RolloutGroup,
    ) -> list[tuple[Tensor, ...]]:
        """Rows of groups; ranks that gather weights in a pass make as many, of a spare group where they have fewer."""
        batches = self._batches(groups)
        if self.shards_parameters:
            batches = [[part] for batch in batches for part in batch]
            passes = int(all_reduce([len(batches)], "max", self.device)[0])
            batches += [self._batches([spare])[0]] * (passes - len(batches))
        rows: list[Tensor] = []
        # without dropout, which would make another policy of the old and of the reference one
        with torch.no_grad(), in_evaluation(self.policy):
            found = tables(batches, logprobs, logprobs_in_chunks, self.engine.sampling.temperature)
            for batch, table in zip(batches, found, strict=True):
                completions = [completion for group in batch for completion in group.completions]
                written = zip(table.cpu(), completions, strict=True)
                rows += [row[: len(completion.token_ids)] for row, completion in written]
        in_order = iter(rows)  # those of the spare group come last
        return [tuple(next(in_order) for _ in group.completions) for group in groups]

    def _batches(self, groups: Sequence[RolloutGroup]) -> list[list[RolloutGroup]]:
        batches = self.update.microbatches([_whole(group) for group in groups], self.policy.shares_prompts)
        return [[part.rollout for part in batch] for batch in batches]

    def _penalties(self, old: Sequence[tuple[Tensor, ...]], reference: Sequence[tuple[Tensor, ...] | None]) -> Tensor:
        """[B, G] penalties, and the divergence of the step for an adaptive coefficient."""
        assert self.reward_kl is not None
        policy_rows = [row for rows in old for row in rows]
        reference_rows = [row for rows in reference for row in rows or ()]
        width, cpu = max(len(row) for row in policy_rows), torch.device("cpu")
        table = pad(policy_rows, width, cpu), pad(reference_rows, width, cpu)
        mask = torch.arange(width) < torch.tensor([len(row) for row in policy_rows])[:, None]
        tokens = float(mask.sum())
        self._divergence = (float(self.reward_kl.divergence(*table, mask)) * tokens, tokens)
        return self.reward_kl(*table, mask).view(len(old), -1).to(torch.float64)

    # Steps, phases and what observers see ----------------------------------------------------------------------------

    def begin(self, prompts: PromptBatch) -> None:
        """Start a loader batch; a resumed run takes up its random states here, after every loader has drawn its own."""
        if self._pending_random_states is not None:
            state.restore_random_states(self._pending_random_states)
            self._pending_random_states = None
        self.finished_step = None
        self.position = prompts.next_index
        self._record.rollouts += 1
        self._record.too_long += prompts.too_long

    def end(self, trained: list[ScoredGroup], metrics: list[dict[str, float]]) -> None:
        """Finish a step: counters, learning rate, the record that callbacks read, and the end of the run."""
        record = self._record
        record.trained = trained
        names = dict.fromkeys(name for update in metrics for name in update)
        record.metrics = {name: _mean([update[name] for update in metrics if name in update]) for name in names}
        for name in ("mismatch_kl", "mismatch"):  # later updates have another policy than the engine had
            record.metrics[name] = metrics[0].get(name, math.nan)
        self._check_mismatch(record.metrics["mismatch"])
        record.metrics["skipped_updates"] = sum(m["skipped_updates"] for m in metrics)
        behind = [self.engine.policy_version - 1 - group.rollout.policy_version for group in trained]
        total, count = all_reduce([sum(behind), len(behind)], "sum", self.device)
        record.metrics["staleness"] = total / max(1.0, count)  # in publishes; the one of this step not counted
        record.metrics["lr"] = self.optimizers().param_groups[0]["lr"]  # type: ignore[union-attr]
        self._adapt(record)
        self.updates += len(metrics)
        self.step += 1
        scheduler = self.lr_schedulers()
        if scheduler is not None:
            scheduler.step()  # type: ignore[union-attr]
        self.finished_step, self._record = record, StepRecord(step=self.step + 1)
        if self.step >= self.max_steps:
            self.trainer.should_stop = True

    def _check_mismatch(self, mismatch: float) -> None:
        """Every rank has the same number, so that all of them stop or none."""
        if mismatch > self.max_mismatch:
            raise StaleEngineError(
                f"step {self.step + 1}: log-probabilities of {type(self.engine).__name__} differ from the policy's by "
                f"{mismatch:.2g} on average, more than model.max_mismatch: {self.max_mismatch:g} allows. It samples "
                "from other weights (was every update published?), from an old cache, or from images that are scaled "
                "otherwise. Nothing of this step is saved: repair the engine and start again from the last checkpoint"
            )
        self.old_logprobs.watch(mismatch, self.policy.rounding)

    def _adapt(self, record: StepRecord) -> None:
        """Let KL coefficients follow the step, with the same numbers on every rank."""
        sequences = self.prompts_per_step * self.engine.sampling.completions_per_prompt
        if "loss" in record.metrics:  # else every update was skipped
            self.loss.end_step(record.metrics, sequences)
        if self.reward_kl is not None:
            total, tokens = all_reduce([self._divergence[0], self._divergence[1]], "sum", self.device)
            record.metrics["reward_kl"] = total / tokens
            self.reward_kl.update(total / tokens, sequences)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time a part of the step and tell the callbacks that listen."""
        listeners = self.trainer.callbacks  # type: ignore[attr-defined]  # Lightning does not declare it
        for listener in listeners:
            if hasattr(listener, "on_phase_start"):
                listener.on_phase_start(self.trainer, self, name)
        start = time.perf_counter()
        yield
        seconds = time.perf_counter() - start
        self._record.seconds[name] = self._record.seconds.get(name, 0.0) + seconds
        for listener in listeners:
            if hasattr(listener, "on_phase_end"):
                listener.on_phase_end(self.trainer, self, name, seconds)

    # Validation and prediction ---------------------------------------------------------------------------------------

    def validation_step(self, prompts: PromptBatch, index: int) -> dict[str, Any]:  # noqa: ARG002
        """Sample with the evaluation settings; ``JudgeValidation`` judges and logs."""
        self.rollouts.drain()
        return {"groups": self.engine.rollout(list(prompts), sampling=self.evaluation)}

    def test_step(self, prompts: PromptBatch, index: int) -> dict[str, Any]:
        """As validation, on the test split."""
        return self.validation_step(prompts, index)

    def predict_step(self, prompts: PromptBatch, index: int) -> list[RolloutGroup]:  # noqa: ARG002
        """Completions with the evaluation settings."""
        return self.engine.rollout(list(prompts), sampling=self.evaluation)

    # Lightning -------------------------------------------------------------------------------------------------------

    def batching(self, ranks: int) -> Batching:
        """The resolved batch sizes.

        Raises:
            ValueError: sizes that do not go together, with the arithmetic.
        """
        return Batching(
            prompts_per_step=self.prompts_per_step,
            completions_per_prompt=self.engine.sampling.completions_per_prompt,
            prompts_per_update=self.update.prompts_per_update,
            prompts_per_rollout=self.prompts_per_rollout,
            tokens_per_microbatch=self.update.tokens_per_microbatch,
            ranks=ranks,
        )

    def setup(self, stage: str) -> None:
        """Check sizes against the ranks, and give the data their prompting."""
        trainer = self.trainer
        if stage == "fit":
            self.batching(ranks=trainer.world_size)
            check_strategy(trainer.strategy)
            if trainer.max_steps != -1:
                raise ValueError(
                    f"trainer.max_steps: {trainer.max_steps} counts optimiser calls, of which a step makes "
                    f"{self.prompts_per_step // self.update.prompts_per_update}; leave it at -1 and set model.max_steps"
                )
        datamodule = trainer.datamodule  # type: ignore[attr-defined]  # Lightning does not declare it
        if datamodule is not None and hasattr(datamodule, "bind"):
            datamodule.bind(self.prompting, self.policy.processor, self.prompts_per_rollout)

    def configure_model(self) -> None:
        """Load the weights, and keep a share of them where the strategy has a mesh for it."""
        self.policy.load()
        if self._trainer is not None:  # exports have none
            distribute(self.policy, self.trainer.strategy, str(self.trainer.precision))

    def configure_optimizers(self) -> Any:
        """The optimiser on trainable parameters, and the scheduler if there is one."""
        optimizer = self.optimizer([parameter for parameter in self.parameters() if parameter.requires_grad])
        if self.lr_scheduler is None:
            return optimizer
        return [optimizer], [self.lr_scheduler(optimizer)]

    def on_fit_start(self) -> None:
        """Give the engine the policy on its device."""
        self.engine.bind(self.policy)

    on_validation_start = on_test_start = on_predict_start = on_fit_start

    def teardown(self, stage: str) -> None:  # noqa: ARG002  # Lightning's signature
        """Give back what the engine holds: processes, memory, files."""
        self.engine.close()

    @property
    def shards_parameters(self) -> bool:
        """Whether the strategy gathers weights in every forward pass, so that ranks must make as many passes."""
        return isinstance(self.trainer.strategy, ModelParallelStrategy)

    def gradients_stay_local(self, stay: bool) -> Any:
        """Context in which backward passes are not averaged over ranks yet."""
        strategy = self.trainer.strategy
        return strategy.block_backward_sync() if stay and isinstance(strategy, DDPStrategy) else nullcontext()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the trajectory needs; drop frozen weights, which ``policy.name`` holds."""
        weights = checkpoint.get("state_dict")
        if weights is not None:
            everything = self.named_parameters(remove_duplicate=False)  # tied weights have two names
            frozen = {name for name, parameter in everything if not parameter.requires_grad}
            checkpoint["state_dict"] = {name: value for name, value in weights.items() if name not in frozen}
        checkpoint[state.KEY] = {
            "written_by": state.header(),
            "fingerprint": self.fingerprint(),
            "step": self.step,
            "updates": self.updates,
            "position": self.position,
            "engine": self.engine.state_dict(),
            "ranks": gather(
                {
                    "buffer": self.buffer.state_dict(),
                    "rollouts": self.rollouts.state_dict(),
                    "random": state.random_states(),
                }
            ),
            "loss": self.loss.state_dict(),
            "old_logprobs": self.old_logprobs.state_dict(),
            "reward_kl": None if self.reward_kl is None else self.reward_kl.state_dict(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take up counters, buffer, engine and data position; random states follow when training starts.

        Raises:
            SpecMismatchError: the checkpoint comes from another spec, or from another program.
        """
        saved = checkpoint.get(state.KEY)
        if saved is None:
            raise state.SpecMismatchError("the checkpoint holds no medix state: it was not written by medix fit")
        state.check_fingerprint(saved["fingerprint"], self.fingerprint())
        missing = {n for n, p in self.named_parameters() if p.requires_grad} - set(checkpoint.get("state_dict", {}))
        if "state_dict" in checkpoint and missing:
            raise state.SpecMismatchError(
                f"the checkpoint lacks {len(missing)} trained weights of this policy, among them "
                f"{sorted(missing)[:3]}; give the policy it was trained with"
            )
        self.step, self.updates, self.position = saved["step"], saved["updates"], saved["position"]
        self._record = StepRecord(step=self.step + 1)
        self.engine.load_state_dict(saved["engine"])
        own = state.own_part(saved["ranks"], rank(), world_size())
        self.buffer.load_state_dict(own["buffer"], render=self._render)
        self.rollouts.load_state_dict(own["rollouts"], render=self._render)
        self.loss.load_state_dict(saved["loss"])
        self.old_logprobs.load_state_dict(saved["old_logprobs"])
        if self.reward_kl is not None:
            self.reward_kl.load_state_dict(saved["reward_kl"])
        self._pending_random_states = own["random"]
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        if datamodule is not None and hasattr(datamodule, "position"):
            datamodule.position = self.position

    def _render(self, sample: Any, index: int) -> Any:
        return self.prompting.render(sample, self.policy.processor, index)

    def fingerprint(self) -> dict[str, Any]:
        """What must be equal for a checkpoint to be continued."""
        return {
            "policy": self.policy.fingerprint(),
            "loss": type(self.loss).__name__,
            "reward_kl": None if self.reward_kl is None else type(self.reward_kl).__name__,
            "completions_per_prompt": self.engine.sampling.completions_per_prompt,
            "prompts_per_step": self.prompts_per_step,
            "modalities": list(self.modalities),
        }


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _whole(group: RolloutGroup) -> TrainingGroup:
    """A group without advantages, to be split into micro-batches of a pass without gradient."""
    empty = tuple(torch.zeros(0) for _ in group.completions)
    return TrainingGroup(group, tuple(0.0 for _ in group.completions), empty)


def _rollouts(engine: RolloutEngine, rewards: RewardSuite, loss: GroupLoss, ahead: int) -> Rollouts:
    if not ahead:
        return Rollouts(engine, rewards)
    if not engine.samples_elsewhere:
        raise ValueError(
            f"model.rollouts_ahead: 1 wants an engine that samples elsewhere while the policy is updated, and "
            f"{type(engine).__name__} does not; give medix.rollout.ServedEngine, or rollouts_ahead: 0"
        )
    if not loss.needs_rollout_logprobs:
        raise ValueError(
            "model.rollouts_ahead: 1 trains on completions of the policy before the last update; give the loss an "
            "importance correction (importance: medix.losses.TruncatedImportance), or rollouts_ahead: 0"
        )
    return RolloutsAhead(engine, rewards)
