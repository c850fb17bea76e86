"""Canary checks of the judge during training, which stop it when the judge accepts wrong answers."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.seed import isolate_rng

from medix.callbacks.step_axis import log_at_step
from medix.callbacks.watched import watched
from medix.distributed import fail_together, gather, rank
from medix.evaluation.canary_rates import CanaryLimits, CanaryRates
from medix.files.atomic_file import write_atomically
from medix.judge.base import Judge
from medix.judge.canaries import read_canaries, run_canaries, shipped_canaries
from medix.reporting.render import plain

_LOG = logging.getLogger(__name__)


class CanaryError(RuntimeError):
    """The judge exceeds a limit on the canaries, so its rewards cannot be trusted."""


class CheckJudge(Callback):
    """Asks the judge the canaries at the start and every few steps, and stops training if a limit is exceeded.

    Rank 0 asks, bypassing the judge's cache; all ranks stop or continue together. Random states of torch, NumPy and
    Python do not change. ``canaries-step-000050.json`` in the run's folder contains every verdict; it is written
    before the run stops. When a run is resumed, files of later steps are deleted.

    Logged: ``canaries/false_positive`` (share of wrong answers accepted), ``canaries/false_negative`` (share of right
    answers rejected), both also by kind (``canaries/false_positive/master_key``), ``canaries/unscored``,
    ``canaries/latency_median`` and ``canaries/latency_max`` in seconds. An unscored canary is neither right nor wrong.

    Attacks accepted within the limit are a warning, at the first check and when their number changes: a policy needs
    one answer that always earns a YES. Limits apply to the rates themselves, not to the bounds of their confidence
    intervals, which are in the file.

    Args:
        every_n_steps: steps between checks.
        at_start: also check at the start of every fit, including a resumed one, when another server may be behind the
            address.
        max_false_positive: share of wrong answers accepted above which training stops.
        max_false_negative: share of right answers rejected above which training stops; the exact judge does not
            know synonyms and rejects nearly half of them.
        max_unscored: share of canaries without a verdict above which training stops.
        judge: the judge to check; None takes the judge of the module.
        canaries: a YAML file with canaries; None takes the shipped ones.
    """

    def __init__(
        self,
        every_n_steps: int = 50,
        at_start: bool = True,
        max_false_positive: float = 0.1,
        max_false_negative: float = 0.5,
        max_unscored: float = 0.2,
        judge: Judge | None = None,
        canaries: str | None = None,
    ) -> None:
        if every_n_steps < 1:
            raise ValueError(
                f"CheckJudge.every_n_steps: {every_n_steps} must be at least 1; leave the callback out to train "
                "without checks"
            )
        try:
            self.limits = CanaryLimits(max_false_positive, max_false_negative, max_unscored)
        except ValueError as error:
            raise ValueError(f"CheckJudge.{error}") from error
        self.every_n_steps = every_n_steps
        self.at_start = at_start
        self.judge = judge
        self.canaries = canaries
        self.rates: CanaryRates | None = None
        """Result of the last check."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Refuse a run without a judge before anything is loaded.

        Raises:
            ValueError: neither the callback nor the module has a judge.
        """
        if stage == "fit":
            self._judge(pl_module)

    def files_of_run(self, trainer: Trainer) -> list[Path]:
        """The verdicts that are there."""
        return list(Path(trainer.default_root_dir).glob("canaries-step-*.json"))

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Delete the checks of steps after the one from which training resumes."""
        if trainer.is_global_zero:
            for file in self.files_of_run(trainer):
                number = file.stem.removeprefix("canaries-step-")
                if number.isdecimal() and int(number) > watched(pl_module).step:
                    file.unlink()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Check before the first step of this fit, and before a validation at its start."""
        self._check_first(trainer, pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The same for a fit that is resumed within an epoch, which Lightning does not start again."""
        self._check_first(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check after every ``every_n_steps``-th step."""
        module = watched(pl_module)
        if module.finished_step is not None and module.step % self.every_n_steps == 0:
            with isolate_rng():
                self._check(trainer, pl_module)

    def _check_first(self, trainer: Trainer, module: LightningModule) -> None:
        if self.at_start and self.rates is None:
            with isolate_rng():
                self._check(trainer, module)

    def _judge(self, module: LightningModule) -> Judge:
        judge = self.judge or watched(module).judge
        if judge is None:
            raise ValueError("CheckJudge has no judge to check: give the spec a judge, or CheckJudge one of its own")
        return judge

    def _check(self, trainer: Trainer, module: LightningModule) -> None:
        step = watched(module).step
        path = Path(trainer.default_root_dir) / f"canaries-step-{step:06d}.json"
        asked: CanaryRates | None = None
        with fail_together():
            if rank() == 0:
                asked = self._ask(self._judge(module))
                data = {"step": step, **asked.to_dict()}
                write_atomically(path, json.dumps(plain(data), indent=2, allow_nan=False) + "\n")
        rates = gather(asked)[0]
        assert rates is not None  # rank 0 has asked
        before, self.rates = self.rates, rates
        log_at_step(trainer, rates.metrics(), step)
        above = rates.above(self.limits)
        if above:
            raise CanaryError(_told(rates, above, step, path))
        if trainer.is_global_zero:
            wrong = f"{rates.false_positive.rate:.1%} of attacks accepted, {rates.false_negative.rate:.1%} of right"
            _LOG.info("step %d: the judge %s passed the canaries: %s answers rejected", step, rates.judge, wrong)
            if rates.false_positive.wrong not in {0, before.false_positive.wrong if before else 0}:
                _LOG.warning("step %d: %s", step, _allowed(rates, self.limits))

    def _ask(self, judge: Judge) -> CanaryRates:
        canaries = shipped_canaries() if self.canaries is None else read_canaries(self.canaries)
        return CanaryRates(canaries.version, judge.identity, tuple(run_canaries(judge, canaries)))


def _allowed(rates: CanaryRates, limits: CanaryLimits) -> str:
    attacks = rates.false_positive
    return (
        f"the judge accepts {attacks.wrong} of {attacks.scored} attacks, which CheckJudge.max_false_positive "
        f"{limits.false_positive:g} allows; a policy needs one. For example, {rates.examples(1)[0]}"
    )


def _told(rates: CanaryRates, above: Sequence[str], step: int, path: Path) -> str:
    """The error message: rates, limits, examples and what to change."""
    lines = [f"the judge {rates.judge} fails the canaries ({rates.version}) at step {step}:"]
    lines += [f"  {sentence}" for sentence in above]
    lines += [f"  for example, {example}" for example in rates.examples(3)]
    lines += [f"  {count} without a verdict: {reason}" for reason, count in list(rates.reasons.items())[:3]]
    lines.append(
        f"Every verdict is in {path}. A policy learns to exploit such a judge. Use a larger or another judge, with "
        "constrained replies; look at it with: python -m medix judge canaries. Then start the same command again, or "
        "raise CheckJudge.max_false_positive, max_false_negative or max_unscored if you accept that"
    )
    return "\n".join(lines)
