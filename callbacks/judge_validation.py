"""Validation every n steps, with judged completions, logged per modality and per source."""

import logging
import math
import sys
import time
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from medix import stop_signal
from medix.callbacks.judged_groups import NoJudge, judge_groups
from medix.callbacks.listeners import call_hook
from medix.callbacks.watched import accuracy_judge, images_exchanged, suite_of, watched
from medix.distributed import fail_together, gather
from medix.evaluation.validation import Validation
from medix.judge.base import Judge
from medix.judge.own_arguments import named
from medix.modules.random_states import random_states, restore_random_states
from medix.reporting.record import CompletionRecord, record_completion
from medix.reporting.record_identity import unique
from medix.reporting.table import number
from medix.stop_signal import StopRequested
from medix.types import ScoredGroup

_LOG = logging.getLogger(__name__)


class UnscoredError(RuntimeError):
    """Too few completions of a validation were scored for its means to be meaningful."""


class JudgeValidation(Callback):
    """Runs the validation loop every n steps, judges its completions, and logs the results.

    It replaces Lightning's validation schedule, which counts loader batches: with this callback, Lightning starts no
    validation itself during ``fit``. Under ``trainer.validate`` and ``trainer.test`` it judges the completions that
    those loops sample.

    Logged as ``val/reward``, ``val/accuracy``, ``val/modality_accuracy``, ``val/unscored`` (share without a verdict,
    never counted as wrong), ``val/reward/<component>``, ``val/accuracy/<MODALITY>``, ``val/accuracy/source/<source>``,
    ``val/format``, ``val/truncated``, ``val/completions``, and, where the rewards ask another judge than this one,
    ``val/accepted_wrong``: the share of answers that theirs accepts and this one calls wrong. It rises when the policy
    exploits theirs. The random states of torch, NumPy and Python are restored afterwards, so a run has the same
    trajectory with and without validation.

    Args:
        every_n_steps: number of steps between validations.
        judge: the judge; None uses that of the module, or else that of the first ``JudgeReward`` of its rewards, or of
            their first component that asks one. Verdicts that it gave to the rewards are used again; what these do not
            say is asked from every rank, also where ``rewards.ask`` is ``node``.
        at_start: also validate before the first step, as a baseline.
        at_end: also validate after the last step.
        record: pass the judged completions to the callbacks that record them.
        max_unscored: share of completions without a verdict, or without a total, above which the validation raises an
            error.
    """

    def __init__(
        self,
        every_n_steps: int = 10,
        judge: Judge | None = None,
        at_start: bool = True,
        at_end: bool = True,
        record: bool = True,
        max_unscored: float = 0.2,
    ) -> None:
        if every_n_steps < 1:
            raise ValueError(
                f"JudgeValidation.every_n_steps: {every_n_steps} must be at least 1; leave the callback out "
                "to train without validation"
            )
        if not 0 <= max_unscored <= 1:
            raise ValueError(f"JudgeValidation.max_unscored: {max_unscored} is a share between 0 and 1")
        self.every_n_steps = every_n_steps
        self.judge = judge
        self.at_start = at_start
        self.at_end = at_end
        self.record = record
        self.max_unscored = max_unscored
        self.validation: Validation | None = None
        self._validated_step: int | None = None
        self._trained = False
        self._missed_step: int | None = None
        self._records: list[CompletionRecord] = []
        self._suite: Any = None
        self._left_out = 0
        self._started = 0.0
        self._logged: set[str] = set()

    # Schedule --------------------------------------------------------------------------------------------------------

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Disable Lightning's own validation schedule."""
        if stage == "fit":
            trainer.num_sanity_val_steps = 0
            trainer.check_val_every_n_epoch = sys.maxsize

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate before the first step, unless the run is resumed; the module's ``on_train_start`` has run before."""
        if self.at_start and watched(pl_module).step == 0 and self._validated_step is None:
            self._validate(trainer, pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """After a resume, make up for a validation that a signal prevented."""
        if self._missed_step == watched(pl_module).step and not stop_signal.is_agreed():
            self._validate(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Validate after every ``every_n_steps``-th step and after the last."""
        module = watched(pl_module)
        if module.finished_step is None:
            return
        self._trained = True
        if module.step % self.every_n_steps == 0 or (self.at_end and module.step >= module.max_steps):
            self._validate(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate if training ended before ``max_steps``, unless it is to be continued."""
        if (
            self.at_end
            and not stop_signal.is_agreed()
            and self._trained
            and self._validated_step != watched(pl_module).step
        ):
            self._validate(trainer, pl_module)

    def _validate(self, trainer: Trainer, module: LightningModule) -> None:
        """Run Lightning's validation loop as its training loop does; changes nothing but the metrics.

        A signal abandons it, in a rollout or while answers are judged; the run that is resumed begins with it.
        """
        if trainer.limit_val_batches == 0:
            return
        self._missed_step = watched(module).step
        if stop_signal.is_agreed():
            return
        try:
            self._run_loop(trainer)
        except StopRequested:
            stop_signal.agree()
            trainer.should_stop = True
            return
        self._missed_step = None
        if self._validated_step != watched(module).step:
            raise ValueError(
                "JudgeValidation found no validation loader in the data; give it a val split, "
                "or leave JudgeValidation out"
            )

    def _run_loop(self, trainer: Trainer) -> None:
        loop = trainer.fit_loop.epoch_loop.val_loop
        connector = trainer._logger_connector
        first_loop_iter = connector._first_loop_iter
        states = random_states()
        trainer.validating = True
        try:
            loop.restarting = False
            loop.run()
        finally:
            trainer.training = True
            connector._first_loop_iter = first_loop_iter
            restore_random_states(states)

    def state_dict(self) -> dict[str, Any]:
        """The step whose validation a signal prevented; None if there is none."""
        return {"missed_step": self._missed_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self._missed_step = state_dict["missed_step"]

    # Judging ---------------------------------------------------------------------------------------------------------

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start with no records and a fresh suite, so that the running means of the module do not change."""
        self._begin(pl_module)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Score and judge the groups of one batch."""
        if not trainer.sanity_checking:
            self._judge_groups(trainer, pl_module, outputs, batch, "val")

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gather the records of all ranks, log, and notify the other callbacks."""
        if not trainer.sanity_checking:
            self._finish(trainer, pl_module, "val")

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """As for validation."""
        self._begin(pl_module)

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """As for validation."""
        self._judge_groups(trainer, pl_module, outputs, batch, "test")

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """As for validation."""
        self._finish(trainer, pl_module, "test")

    def _begin(self, module: LightningModule) -> None:
        self._records = []
        self._left_out = 0
        self._suite = watched(module).rewards.fresh()
        self._started = time.perf_counter()

    def _judge_groups(self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, split: str) -> None:
        self._left_out += getattr(batch, "too_long", 0)
        groups = outputs["groups"]
        step, modalities = watched(module).step, watched(module).modalities
        with fail_together(), watched(module).abandonable():
            scored: list[ScoredGroup] = self._suite.score_groups(groups, gather)
            verdicts = judge_groups(scored, modalities, self._judge(module), self._suite.asked(groups))
        exchanged = images_exchanged(trainer)
        records = [
            record_completion(
                group.rollout,
                index,
                modalities,
                step=step,
                split=split,
                scores=scores,
                verdict=verdict,
                suite=suite_of(module),
                exchanged=exchanged,
            )
            for group, row in zip(scored, verdicts, strict=True)
            for index, (scores, verdict) in enumerate(zip(group.scores, row, strict=True))
        ]
        self._records += records
        call_hook(trainer, "on_judged_groups", module, groups, records)

    def _judge(self, module: LightningModule) -> Judge:
        return self.judge or watched(module).judge or accuracy_judge(module) or NoJudge()

    def _finish(self, trainer: Trainer, module: LightningModule, split: str) -> None:
        records = unique(record for part in gather(self._records) for record in part)
        left_out = sum(gather(self._left_out))
        step = watched(module).step
        seconds = time.perf_counter() - self._started
        validation = Validation.of(
            records,
            step=step,
            split=split,
            judge=named(self._judge(module)),
            seconds=seconds,
            suite=suite_of(module),
            left_out=left_out,
        )
        if left_out and trainer.is_global_zero:
            _LOG.warning(
                "%d of %d samples of data.%s were left out, because the policy cannot take their prompts "
                "(data.on_long: skip): the numbers are those of the others",
                left_out,
                validation.overall.samples + left_out,
                split,
            )
        absent = [name for name, values in validation.subgroups.items() if not values]
        if absent and trainer.is_global_zero:
            _LOG.warning("data.subgroups: no sample of data.%s has %s in its metadata", split, " or ".join(absent))
        self._records, self._suite = [], None
        self.validation, self._validated_step = validation, step
        if self.record:
            call_hook(trainer, "on_judged", module, validation)
        self._check_unscored(validation)
        metrics = validation.metrics() | {"step": float(step)}  # Lightning takes x from a metric of this name
        for gone in self._logged - metrics.keys():  # Lightning keeps the value of an earlier validation
            trainer.callback_metrics[gone] = torch.tensor(math.nan)
        self._logged |= metrics.keys()
        dtype = torch.float32 if module.device.type == "mps" else torch.float64
        module.log_dict(
            {name: torch.tensor(value, dtype=dtype, device=module.device) for name, value in metrics.items()},
            sync_dist=True,
            reduce_fx="max",  # every rank has the same numbers; a mean would round them
        )

    def _check_unscored(self, validation: Validation) -> None:
        overall = validation.overall
        if not overall.completions:
            raise UnscoredError(f"the {validation.split} split has no completions; check data.{validation.split}")
        share = max(overall.unscored, overall.unscored_reward)
        if share > self.max_unscored or share == 1:
            reasons = "\n".join(f"  {count} x {reason}" for reason, count in _most_common(overall.reasons))
            what = f"{overall.completions} {validation.split} completions at step {validation.step}"
            has_none = validation.judge == NoJudge().identity
            remedy = "Set a judge" if has_none else f"Make the judge available again ({validation.judge})"
            raise UnscoredError(
                f"{number(share, percent=True)} of {what} could not be scored "
                f"(JudgeValidation.max_unscored: {self.max_unscored}):\n{reasons}\n"
                f"{remedy} and run the same command, or raise the limit"
            )


def _most_common(reasons: dict[str, int], limit: int = 5) -> list[tuple[str, int]]:
    return sorted(reasons.items(), key=lambda item: -item[1])[:limit]
