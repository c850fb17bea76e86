"""What Lightning calls around the steps: setup, weights, optimizer, evaluation, checkpoints."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import lightning.pytorch as lightning
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable

from medix import stop_signal
from medix.batching import Batching
from medix.data.processor_check import check_processor
from medix.data.prompting import Prompting
from medix.distributed import fail_together, gather
from medix.losses.base import GroupLoss
from medix.losses.reward_kl import RewardKL
from medix.modality import ModalitySet
from medix.modules import checkpoint as state
from medix.modules import strategy
from medix.modules.last_step import LastStep
from medix.modules.optimizer_settings import OptimizerSettings
from medix.modules.readable_text import check_tags, tell_unread_references
from medix.modules.record import StepRecord
from medix.modules.rollouts import Rollouts
from medix.policy.base import Policy
from medix.rewards.suite import RewardSuite
from medix.rollout.buffer import GroupBuffer
from medix.rollout.engine import EvaluationSampling, RolloutEngine
from medix.rollout.signal import GroupFilter
from medix.types import Prompt, PromptBatch, RolloutGroup, Sample


class RunModule(lightning.LightningModule):
    """A module whose run can be validated, saved and continued; a subclass says what a step is.

    Attributes:
        suite: identity of everything that validations measure with, by part (``reporting.measured_with.PARTS``); set
            by the command line, else empty.
        step: finished steps.
        updates: optimiser calls of them.
        position: number of the next draw.
    """

    policy: Policy
    engine: RolloutEngine
    rewards: RewardSuite
    loss: GroupLoss
    reward_kl: RewardKL | None
    filter: GroupFilter
    prompting: Prompting
    modalities: ModalitySet
    optimizer: OptimizerCallable
    lr_scheduler: LRSchedulerCallable | None
    evaluation: EvaluationSampling
    prompts_per_rollout: int
    rollouts: Rollouts
    buffer: GroupBuffer
    suite: dict[str, str]
    step: int
    updates: int
    position: int
    last_step: LastStep | None
    _record: StepRecord
    _run_state: state.RunState
    _pending_random_states: dict[str, Any] | None
    _settings: OptimizerSettings | None
    _resumed: dict[str, Any]

    @abstractmethod
    def batching(self, ranks: int) -> Batching:
        """The resolved batch sizes."""

    def validation_step(self, prompts: PromptBatch, index: int) -> dict[str, Any]:  # noqa: ARG002
        """Sample with the evaluation settings; ``JudgeValidation`` judges and logs."""
        with self.sampling():
            self.rollouts.drain()
            return {"groups": self.engine.rollout(list(prompts), sampling=self.evaluation)}

    test_step = validation_step

    def predict_step(self, prompts: PromptBatch, index: int) -> list[RolloutGroup]:  # noqa: ARG002
        """Completions with the evaluation settings."""
        with self.sampling():
            return self.engine.rollout(list(prompts), sampling=self.evaluation)

    @contextmanager
    def sampling(self) -> Iterator[None]:
        """Context of a rollout: an error of one rank, or a signal that abandons its rollout, ends all of them.

        Where the ranks gather weights from each other to sample, no signal abandons it, and an error ends its own rank,
        which breaks the connections of the others: these wait in another operation than that of ``fail_together``.
        """
        if self.policy.sharding.gathers_weights and not self.engine.samples_elsewhere:
            yield
            return
        with fail_together(), self.abandonable():
            yield

    def abandonable(self) -> AbstractContextManager[None]:
        """Context in which a signal abandons the work, unless the ranks gather weights from each other."""
        return stop_signal.abandonable(not self.policy.sharding.gathers_weights)

    def setup(self, stage: str) -> None:
        """Check batch sizes, strategy, processor and tokenizer, and give the data module what renders prompts."""
        trainer = self.trainer
        if stage == "fit":
            batching = self.batching(ranks=trainer.world_size)
            strategy.check_trainer(trainer, batching.updates_per_step, self.optimizer)
        datamodule = trainer.datamodule  # type: ignore[attr-defined]  # Lightning does not declare it
        if datamodule is not None and hasattr(datamodule, "bind"):
            check_processor(self.policy.processor)
            datamodule.bind(self.prompting, self.policy.processor, self.prompts_per_rollout)
        check_tags(self.policy, self.modalities)

    def configure_model(self) -> None:
        """Load the weights, and shard them if the strategy has a device mesh."""
        self.policy.load()
        if self._trainer is not None:  # an export has no trainer
            strategy.distribute(self.policy, self.trainer.strategy, str(self.trainer.precision))

    def configure_optimizers(self) -> Any:
        """The optimiser on trainable parameters, and the scheduler if there is one."""
        optimizer = self.optimizer([parameter for parameter in self.parameters() if parameter.requires_grad])
        scheduler = None if self.lr_scheduler is None else self.lr_scheduler(optimizer)
        self._settings = OptimizerSettings(optimizer, scheduler)
        if self._resumed.get("optimizer"):
            self._settings.check(self._resumed["optimizer"], self.optimizer)
        return optimizer if scheduler is None else ([optimizer], [scheduler])

    def on_fit_start(self) -> None:
        """Give the engine the policy on its device."""
        self.engine.bind(self.policy)

    def on_train_start(self) -> None:
        """Say which references the rewards cannot read.

        After a resume, use what this spec changes: settings of the optimizer, and rewards of waiting groups.
        """
        if self.trainer.is_global_zero:
            tell_unread_references(self.rewards, self.trainer.datamodule)  # type: ignore[attr-defined]
        resumed, self._resumed = self._resumed, {}
        if resumed.get("optimizer") and self._settings is not None:
            self._settings.apply(
                resumed["optimizer"], resumed["schedule"], self.optimizers(), self.lr_schedulers(), self.step
            )
        if resumed and state.scores_differ(resumed["suite"], self.suite):
            scored = self.rewards.open().close([group.rollout for group in self.buffer], gather)
            self.buffer.replace(self.filter.keep(scored))
            kept = {group.key for group in self.buffer}
            self._record.dropped += [group for group in scored if group.key not in kept]  # counted and recorded
        self.last_step = LastStep.of(self, self._pending_random_states)
        stop_signal.begin_deferring()

    on_validation_start = on_test_start = on_predict_start = on_fit_start

    def teardown(self, stage: str) -> None:  # noqa: ARG002  # Lightning's signature
        """Release what the engine holds: processes, memory, files."""
        self.engine.close()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the state of the run at its last finished step; remove frozen weights, loaded from ``policy.name``."""
        if checkpoint.get("state_dict") is not None:
            checkpoint["state_dict"] = state.without_frozen(checkpoint["state_dict"], self)
        with nullcontext() if self.last_step is None else self.last_step.shown(self):
            checkpoint[state.KEY] = {
                "written_by": state.header(),
                "fingerprint": self.fingerprint(),
                "step": self.step,
                "updates": self.updates,
                "position": self.position,
                "datamodule": type(self.trainer.datamodule).__qualname__,  # type: ignore[attr-defined]
                "suite": self.suite,
                "optimizer": None if self._settings is None else self._settings.state_dict(),
                **self._run_state.state_dict(),
            }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore the state of the run and the data position; random states follow when training starts.

        Validation, test and prediction take weights and counters alone: groups that wait would be rendered as in
        training, which other prompts or limits of theirs may not allow.

        Raises:
            SpecMismatchError: the checkpoint was written by another spec, or by another program.
        """
        saved = state.checked(checkpoint, self.fingerprint(), self)
        self.last_step = None  # of an earlier fit
        self._resumed = state.resumed(checkpoint)
        self.step, self.updates, self.position = saved["step"], saved["updates"], saved["position"]
        self._record = StepRecord(step=self.step + 1)
        if self.trainer.state.fn != "fit":
            self.engine.load_state_dict(saved["engine"])
            return
        self._pending_random_states = self._run_state.load_state_dict(saved, self._render)
        datamodule = self.trainer.datamodule  # type: ignore[attr-defined]
        if datamodule is not None and hasattr(datamodule, "position"):
            datamodule.position = self.position
            state.restore_renamed(datamodule, checkpoint)

    def _render(self, sample: Sample, index: int) -> Prompt:
        return self.prompting.render(sample, self.policy.processor, index)

    def fingerprint(self) -> dict[str, Any]:
        """The settings that must be equal for a checkpoint to be continued."""
        return state.fingerprint(self.policy, self.loss, self.reward_kl, self.batching(ranks=1), self.modalities)
