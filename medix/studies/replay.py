"""Replays steps of a run from one of its checkpoints, in a folder of its own."""

import math
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer

from medix.callbacks.log_rewards import step_metrics
from medix.callbacks.record_completions import RecordCompletions, waiting_groups
from medix.callbacks.watched import watched
from medix.cli import MedixCLI, ModuleCLI, quiet
from medix.evaluation.judge_check import check_endpoints
from medix.files.training_folder import in_training_folder
from medix.judge.base import Judge
from medix.modules import checkpoint as state
from medix.reporting.record import CompletionRecord, read_records
from medix.rollout.local import LocalEngine
from medix.studies.run_folder import RunFolder
from medix.yaml_text import write_yaml

_LOOK = 5.0  # seconds that a judge's server has to answer


class CannotReplayError(ValueError):
    """The steps of a run cannot be replayed here; says why, and what to do."""


@dataclass(frozen=True)
class Window:
    """The steps that are replayed.

    Attributes:
        start: step of the checkpoint.
        steps: recorded steps after it, in order.
    """

    start: int
    steps: tuple[int, ...]

    @classmethod
    def of(cls, run: RunFolder, count: int = 3) -> "Window":
        """The window of the newest checkpoint with ``count`` recorded steps after it, or else with the most.

        It ends where the run was resumed with another spec, because a replay has one.

        Raises:
            CannotReplayError: no checkpoint has a recorded step after it.
        """
        if not run.checkpoints:
            raise CannotReplayError(
                f"{run.path}: holds no checkpoint, from which steps could be replayed; medix.callbacks.SaveCheckpoint "
                "writes them"
            )
        if not run.recorded_steps:
            raise CannotReplayError(
                f"{run.path}: no step is on record, with which a replay could be compared; "
                "medix.callbacks.RecordCompletions writes them to completions/"
            )
        windows = [cls(start, _after(run, start)[:count]) for start in run.checkpoints]
        best = max(windows, key=lambda window: (len(window.steps), window.start))
        if not best.steps:
            raise CannotReplayError(
                f"{run.path}: no checkpoint has a recorded step after it (checkpoints: "
                f"{', '.join(map(str, run.checkpoints))}; recorded up to step {run.recorded_steps[-1]}); "
                "SaveCheckpoint.keep says how many earlier ones a run keeps"
            )
        return best


def _after(run: RunFolder, start: int) -> tuple[int, ...]:
    """The recorded steps after a checkpoint that were made with the spec of the first of them."""
    last = min((step for step in run.resumed_with_changes if step > start), default=math.inf)
    return tuple(step for step in run.recorded_steps if start < step <= last)


@dataclass(frozen=True)
class Replay:
    """What steps gave when they were made again.

    Attributes:
        records: the completions that the steps used.
        waiting: those that wait for a later step. A run that ends records them with its last step.
        metrics: of each step, over all of it.
        weights: trained weights after each step of which the run has a checkpoint.
        left_out: classes of callbacks of the run that are not of medix, without which the replay was made.
    """

    records: list[CompletionRecord]
    waiting: list[CompletionRecord]
    metrics: dict[int, dict[str, float]]
    weights: dict[int, dict[str, Any]] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


class ReplayedSteps(RecordCompletions):
    """Records every step of a replay, and ends it after the last.

    Args:
        last: the last step.
        weights_after: steps after which the trained weights are kept.
    """

    def __init__(self, last: int, weights_after: frozenset[int]) -> None:
        super().__init__()
        self.last = last
        self.weights_after = weights_after
        self.metrics: dict[int, dict[str, float]] = {}
        self.weights: dict[int, dict[str, Any]] = {}
        self.waiting: frozenset[int] = frozenset()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Keep what a step gave."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        finished = watched(pl_module).finished_step
        if finished is None:
            return
        self.metrics[finished.step] = step_metrics(finished)
        if finished.step in self.weights_after:
            found = state.without_frozen(pl_module.state_dict(), pl_module)
            self.weights[finished.step] = {name: value.detach().clone() for name, value in found.items()}
        trainer.should_stop = trainer.should_stop or finished.step >= self.last

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record groups that wait, too, as the run did if it ended here."""
        self.waiting = frozenset(group.rollout.prompt.index for group in waiting_groups(pl_module))
        super().on_train_end(trainer, pl_module)


class _ReplayCLI(ModuleCLI):
    """Builds module, data and trainer."""

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        return MedixCLI.instantiate_trainer(self, **kwargs)


def replay(run: RunFolder, window: Window) -> Replay:
    """Make the steps of a window again; nothing is written to the folder of the run.

    Training is as the spec says, in one process and with the callbacks that record alone: no validation, no report, no
    checkpoints, no loggers.

    Raises:
        CannotReplayError: data, policy, judge, engine or number of ranks do not allow it.
    """
    saved = run.checkpoint(window.start)
    spec = run.spec_after(window.start, saved)
    _check_ranks(saved)
    _check_engine(spec)
    quiet()
    checkpoint = run.checkpoints[window.start].absolute()
    with tempfile.TemporaryDirectory(prefix="medix-verify-") as name, in_training_folder(run.path.resolve(), spec):
        folder = Path(name)
        path = folder / "replayed.yaml"
        path.write_text(write_yaml(_alone(spec, folder)), encoding="utf-8")
        with _cannot(f"{checkpoint.name} of the run"):
            cli = _ReplayCLI(path)
            _check_judges(cli.model)
            cli.model.suite = run.suite_after(window.start)  # a run that is resumed with other rewards scores anew
            kept = ReplayedSteps(window.steps[-1], frozenset(run.checkpoints))
            cli.trainer.callbacks.append(kept)  # type: ignore[attr-defined]
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*callbacks used to create the checkpoint")
                cli.trainer.fit(cli.model, datamodule=cli.datamodule, ckpt_path=str(checkpoint), weights_only=True)
        made = list(read_records(folder / "completions" / "train.rank0.jsonl"))
    waits = [record.position in kept.waiting and record.advantage is None for record in made]
    return Replay(
        [record for record, later in zip(made, waits, strict=True) if not later],
        [record for record, later in zip(made, waits, strict=True) if later],
        kept.metrics,
        kept.weights,
        _others(spec),
    )


def _alone(spec: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The spec without all that writes elsewhere, asks or only looks."""
    trainer = {
        **(spec.get("trainer") or {}),
        "default_root_dir": str(folder),
        "callbacks": None,
        "logger": False,
        "enable_checkpointing": False,
        "limit_val_batches": 0,
    }
    data = {**(spec.get("data") or {}), "val": [], "test": [], "predict": []}
    return {**spec, "trainer": trainer, "data": data}


def _others(spec: Mapping[str, Any]) -> tuple[str, ...]:
    given = (spec.get("trainer") or {}).get("callbacks") or []
    names = [str(one.get("class_path")) for one in given if isinstance(one, Mapping)]
    return tuple(name for name in names if not name.startswith(("medix.", "lightning.")))


def _check_ranks(saved: Mapping[str, Any]) -> None:
    ranks = len(saved[state.KEY]["ranks"])
    if ranks != 1:
        raise CannotReplayError(f"the run had {ranks} ranks, and runs of one process alone are replayed")


def _check_engine(spec: Mapping[str, Any]) -> None:
    """Refuse engines whose tokens depend on more than weights and seeds, before one is started."""
    name = str(((spec.get("model") or {}).get("engine") or {}).get("class_path"))
    if name.rpartition(".")[2] != LocalEngine.__name__:
        raise CannotReplayError(f"model.engine: {name}: runs of medix.rollout.LocalEngine alone are replayed")


def _check_judges(module: Any) -> None:
    """Refuse judges that do not answer: what they leave unscored would look like another reward."""
    judges = [getattr(part, "judge", None) for part in (module, *module.rewards.components.values())]
    for judge in {id(one): one for one in judges if isinstance(one, Judge)}.values():
        for one in check_endpoints(judge, timeout=_LOOK):
            if one.is_down:
                raise CannotReplayError(f"the judge at {one.address} {one.problem}; start it")


@contextmanager
def _cannot(what: str) -> Iterator[None]:
    """What the fit refuses, such as data that changed, cannot be replayed."""
    try:
        yield
    except CannotReplayError:
        raise
    except (ValueError, OSError) as error:
        raise CannotReplayError(f"{what} cannot be replayed: {error}") from error
