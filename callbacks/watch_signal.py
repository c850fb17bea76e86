"""Warnings when groups have no signal, and when completions collapse."""

import logging
import math
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from medix.callbacks.step_axis import log_at_step
from medix.callbacks.watched import watched
from medix.distributed import gather
from medix.modality import TEXT_ONLY
from medix.modules.record import StepRecord
from medix.reporting.table import number
from medix.reporting.tally import Tally, signal_tally

_LOG = logging.getLogger(__name__)


class WatchSignal(Callback):
    """Logs the signal of the groups of each step, and warns in one line when it is lost.

    Logged: ``signal/without`` share of groups whose totals have no spread, ``signal/spread`` mean standard deviation
    of totals in a group, ``signal/logprob`` mean log-probability of sampled tokens (its negative estimates the
    entropy per token), ``signal/tokens`` completion length, ``signal/truncated``, ``signal/duplicates`` share of
    completions that repeat another of their group word for word, ``signal/dropped`` share of the groups with signal,
    also by ``/<MODALITY>``, that were dropped because the weights that sampled them were too old
    (``model.max_staleness``).

    A policy trained on an embedding reward alone learns very short strings of symbols (MediX-R1, arXiv:2602.23363,
    limitations): short completions and duplicates show it before the reward does.

    Args:
        patience: consecutive steps for which a condition must hold before a warning; there is another one only after
            the condition has ceased to hold.
        max_without_signal: share of groups without spread above which there is little to learn from.
        shrink: share of the length at the first steps below which completions are said to collapse.
        max_duplicates: share of repeated completions above which sampling is said to collapse.
        max_dropped: share of groups with signal dropped above which rollouts are said to be wasted.
    """

    def __init__(
        self,
        patience: int = 5,
        max_without_signal: float = 0.8,
        shrink: float = 0.3,
        max_duplicates: float = 0.8,
        max_dropped: float = 0.2,
    ) -> None:
        if patience < 1:
            raise ValueError(f"WatchSignal.patience: {patience} must be at least 1")
        shares = {
            "max_without_signal": max_without_signal,
            "shrink": shrink,
            "max_duplicates": max_duplicates,
            "max_dropped": max_dropped,
        }
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise ValueError(f"WatchSignal.{name}: {value} is a share between 0 and 1")
        self.patience = patience
        self.max_without_signal = max_without_signal
        self.shrink = shrink
        self.max_duplicates = max_duplicates
        self.max_dropped = max_dropped
        self._streaks: dict[str, int] = {}
        self._first_lengths: list[float] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Check the groups of the step that ended, if one did."""
        finished = watched(pl_module).finished_step
        if finished is None:
            return
        own = Tally.merged([signal_tally(finished.scored), _dropped(finished)])
        parts = gather((own.entries, _range(finished.scored)))
        metrics = Tally.merged(Tally(entries) for entries, _ in parts).means()
        log_at_step(trainer, metrics, finished.step)
        lowest, highest = min(low for _, (low, _) in parts), max(high for _, (_, high) in parts)
        if len(self._first_lengths) < self.patience and math.isfinite(metrics.get("signal/tokens", math.nan)):
            self._first_lengths.append(metrics["signal/tokens"])
        for name, message in self._conditions(metrics, lowest, highest).items():
            self._count(trainer, finished.step, name, message)

    def _conditions(self, metrics: dict[str, float], lowest: float, highest: float) -> dict[str, str]:
        """The warning for each condition; empty if it does not hold."""
        names = ("without", "tokens", "duplicates", "dropped")
        without, tokens, duplicates, dropped = (metrics.get(f"signal/{name}", math.nan) for name in names)
        start = sum(self._first_lengths) / max(1, len(self._first_lengths))
        constant = math.isfinite(lowest) and highest - lowest <= 1e-9
        checks = {
            "constant": (
                constant,
                f"every total is {highest:g}: the reward gives no signal; look at the recorded completions and "
                "at what the judge is shown",
            ),
            "without": (
                without > self.max_without_signal and not constant,
                f"{_share(without)} of the groups have no spread in their totals (limit "
                f"{_share(self.max_without_signal)}): raise the temperature or completions_per_prompt, or use "
                "easier or harder data",
            ),
            "short": (
                tokens < self.shrink * start,
                f"completions shrank to {tokens:.1f} tokens from {start:.1f}: the policy may be writing symbols that "
                "exploit a reward; look at the recorded completions",
            ),
            "duplicates": (
                duplicates > self.max_duplicates,
                f"{_share(duplicates)} of the completions repeat another of their group word for word (limit "
                f"{_share(self.max_duplicates)}): raise the temperature, or add a KL term",
            ),
            "dropped": (
                dropped > self.max_dropped,
                f"{_share(dropped)} of the groups with signal were dropped (limit {_share(self.max_dropped)}), because "
                "the weights that sampled them were too old, or the engine reported no log-probabilities: lower "
                "model.prompts_per_rollout, so that fewer groups are left over, or raise model.max_staleness",
            ),
        }
        return {name: message if holds else "" for name, (holds, message) in checks.items()}

    def _count(self, trainer: Trainer, step: int, name: str, message: str) -> None:
        self._streaks[name] = self._streaks.get(name, 0) + 1 if message else 0
        if self._streaks[name] == self.patience and trainer.is_global_zero:
            _LOG.warning("step %d, for %d steps: %s", step, self.patience, message)

    def state_dict(self) -> dict[str, Any]:
        """Streaks and initial lengths, so that a resumed run warns as an uninterrupted one would."""
        return {"streaks": dict(self._streaks), "first_lengths": list(self._first_lengths)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self._streaks = dict(state_dict["streaks"])
        self._first_lengths = list(state_dict["first_lengths"])


def _share(value: float) -> str:
    return number(value, percent=True)


def _range(groups: Any) -> tuple[float, float]:
    totals = [total for group in groups for total in group.totals if not math.isnan(total)]
    return (min(totals), max(totals)) if totals else (math.inf, -math.inf)


def _dropped(finished: StepRecord) -> Tally:
    """Share of dropped groups among those that left the buffer, also by modality."""
    tally = Tally({"signal/dropped": (0.0, 0.0)})
    for share, groups in ((0.0, finished.trained), (1.0, finished.dropped)):
        for group in groups:
            modality = group.rollout.prompt.sample.modality or TEXT_ONLY
            for key in ("signal/dropped", f"signal/dropped/{modality}"):
                tally.add(key, share)
    return tally
