"""The report of a run in Markdown, JSON and HTML."""

import json
import logging
import math
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from medix import stop_signal
from medix.callbacks.log_rewards import step_metrics
from medix.callbacks.run_facts import run_facts, run_head, split_label, training_sizes, versions
from medix.callbacks.save_spec import changed_spec
from medix.callbacks.shown_examples import ShownExamples
from medix.callbacks.watched import reward_judges, suite_of, watched
from medix.distributed import gather
from medix.evaluation.statistics import paired_difference
from medix.evaluation.validation import Validation, differences_from_training, incomparable
from medix.files.atomic_file import write_atomically
from medix.plain_console import PlainConsole
from medix.reporting.balance import Balance, GroupRow
from medix.reporting.evaluations import FILES, began, read_evaluations, read_report
from medix.reporting.measured_with import OF_REWARDS
from medix.reporting.record import CompletionKey, CompletionRecord
from medix.reporting.record_identity import dataset_by_id
from medix.reporting.render import USE, Report, add_evaluations, plain
from medix.reporting.table import before_after_table, summary_table
from medix.reporting.tally import Tally, constant_components, signal_tally
from medix.types import Cluster, RolloutGroup

_LOG = logging.getLogger(__name__)
_MEASURES = ("reward", "accuracy", "modality_accuracy")

Scores = dict[CompletionKey, tuple[float | None, ...]]
"""The measures of each completion of a validation."""


class WriteReport(Callback):
    """Writes ``report.md``, ``report.json`` and ``report.html`` at every validation and at the end.

    During a run, the page ``report.html`` is left as it is where drawing it again would take more than a twentieth of
    the time since it was last drawn; the end of a run, also by an error or a signal, always draws it.

    The history of the run is part of the callback's state, so that a resumed run continues its curves and is still
    compared with its first validation. Under ``trainer.validate`` and ``trainer.test`` the results are written to
    ``validation.json`` or ``test.json``; with ``data.exchange_images``, to ``validation-exchanged.json`` or
    ``test-exchanged.json``. Page and Markdown of the run then show them in a table of their own; ``report.json`` stays.
    Validations with other rewards, another judge, other sampling, prompts, samples or another precision than the last
    are not compared with it.

    Args:
        title: title of the report.
        folder: output folder; ``trainer.default_root_dir`` if None.
        every_n_steps: also write the report every n steps; None writes it at validations only.
        samples: number of validation samples to show (0: none), spread over modalities, chosen by a hash of their id.
        images: show their images. Turn this off for a report that is shared: it must not contain patient images.
        table: print a table of before and after when training ends, and of the results of ``validate`` and ``test``.
    """

    def __init__(
        self,
        title: str = "Training report",
        folder: str | None = None,
        every_n_steps: int | None = None,
        samples: int = 60,
        images: bool = True,
        table: bool = True,
    ) -> None:
        if every_n_steps is not None and every_n_steps < 1:
            raise ValueError(f"WriteReport.every_n_steps: {every_n_steps} must be at least 1, or null")
        if samples < 0:
            raise ValueError(f"WriteReport.samples: {samples} must not be negative")
        self.title = title
        self.folder = folder
        self.every_n_steps = every_n_steps
        self.table = table
        self._steps: list[dict[str, float]] = []
        self._validations: list[dict[str, Any]] = []
        self._first_scores: Scores = {}
        self._shown = ShownExamples(samples, images)
        self._gain: dict[str, Any] = {}
        self._balance = Balance()
        self._sizes: dict[tuple[str, str], int] = {}
        self._began = ""
        self._resumes: list[int] = []
        self._rewarded_by: list[dict[str, Any]] = []
        self._page_is_due_at = -math.inf  # seconds of time.monotonic()
        self._is_written = False
        self._is_final = False
        self._ended = ""

    # Collected during the run ----------------------------------------------------------------------------------------

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Note when the run began, and from which step it goes on; a report of later steps is written anew."""
        self._began = self._began or _now()
        self._sizes = training_sizes(trainer) if trainer.is_global_zero else {}
        step = watched(pl_module).step
        written = read_report(self._folder(trainer)) if trainer.is_global_zero else {}
        if step >= watched(pl_module).max_steps:  # no step is left: the report of the last may be there, and whole
            self._is_final = (
                self.page(trainer).is_file()
                and written.get("finished") is True
                and written.get("step") == step
                and written.get("steps") == plain(self._steps)  # with their seconds: no other training's
            )
            return
        if step:
            self._resumes = [earlier for earlier in self._resumes if earlier < step] + [step]
        if type(written.get("step")) is int and written["step"] > step:  # of steps that may become other ones
            self._write(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the step, if one has finished."""
        module = watched(pl_module)
        if module.finished_step is None:
            return
        self._record_step(pl_module)
        if self.every_n_steps is not None and module.step % self.every_n_steps == 0:
            self._write(trainer, pl_module)

    def on_judged_groups(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        groups: Sequence[RolloutGroup],
        records: Sequence[CompletionRecord],
    ) -> None:
        """Create thumbnails of samples that may be shown, on the rank that has their images."""
        self._shown.see(groups)

    def on_judged(self, trainer: Trainer, pl_module: LightningModule, validation: Validation) -> None:
        """Record a validation and compare it with the first one."""
        examples = self._shown.chosen(validation.records)
        if trainer.state.fn != "fit":
            self._write_numbers(trainer, validation)
            return
        scores = {record.key: _measures(record) for record in validation.records}
        entry = validation.to_dict()
        if not self._validations or incomparable(self._validations[-1], entry):
            self._first_scores, self._shown.first, self._gain = scores, examples, {}
        else:
            self._fill_in_datasets(validation.records)
            clusters = {record.key: record.cluster for record in validation.records}
            self._gain = _gain(self._first_scores, scores, clusters)
        self._shown.last = examples
        self._validations = [v for v in self._validations if v["step"] != validation.step] + [entry]

    def _fill_in_datasets(self, records: Sequence[CompletionRecord]) -> None:
        """Fill in the data sets of samples from a checkpoint that was written before data sets were recorded."""
        known = dataset_by_id(records)
        self._first_scores = {
            (dataset or known.get(name, ""), name, index): values
            for (dataset, name, index), values in self._first_scores.items()
        }
        self._shown.fill_in_datasets(records)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the report, including the step before the validation."""
        if trainer.state.fn == "fit" and not trainer.sanity_checking:
            self._record_step(pl_module)
            self._write(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the final report, unless that of the last step is written: it has images, which a restart has not."""
        self._ended = "Stopped"
        if not self._is_final:
            self._write(trainer, pl_module, is_last=True)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Say in the report that the run has ended."""
        if self._is_written and not self._ended:
            self._ended = "Stopped by an error" if isinstance(exception, Exception) else "Stopped"
            try:
                self._write(trainer, pl_module, is_last=True)
            except OSError as error:  # such as a full disk, which may be what ends the run
                _LOG.warning("the report could not be written again: %s", error)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Print the table of before and after, now that the progress display is closed."""
        if self.table and trainer.is_global_zero and self._validations:
            console = PlainConsole()
            before_after_table(self._before, self._validations[-1], self._gain, split_label(trainer)).print(console)
            for note in self._notes():
                console.print(note, soft_wrap=True, highlight=False)
            console.print(f"Report: {self.page(trainer)}", soft_wrap=True, highlight=False)

    # Output ----------------------------------------------------------------------------------------------------------

    def report(self, trainer: Trainer, module: LightningModule) -> Report:
        """The report of the run so far."""
        last = self._validations[-1] if self._validations else None
        facts = run_facts(trainer, module, last["judge"] if last else "") | self._left_out()
        head = run_head(trainer, module, facts)
        dates = {"Began": self._began, "Written": _now()}
        resumed = {"Resumed": f"from step {', '.join(map(str, self._resumes))}"} if self._resumes else {}
        finished = watched(module).step >= watched(module).max_steps and not stop_signal.is_agreed()
        return Report(
            title=self.title,
            facts=facts,
            versions=versions(),
            step=watched(module).step,
            max_steps=watched(module).max_steps,
            finished=finished,
            before=self._before,
            after=last,
            gain=self._gain,
            validations=[{k: v for k, v in entry.items() if k not in _SLICES} for entry in self._validations],
            steps=self._steps,
            examples=self._shown.examples(is_compared=self._before is not None),
            spec=_spec(trainer),
            split=split_label(trainer),
            notes=self._notes(),
            run=head | dates | resumed | changed_spec(trainer, watched(module).step),
            evaluations=_beside(last, read_evaluations(self._folder(trainer), self._began)),
            resumes=list(self._resumes),
            ended="" if finished else self._ended,
            balance=self._balance.rows(self._sizes),
            reward_judges=reward_judges(module),
            rewarded_by=list(self._rewarded_by),
        )

    @property
    def _before(self) -> dict[str, Any] | None:
        """The first validation that the last one, and all between them, can be compared with; None without one."""
        first = len(self._validations) - 1
        while first > 0 and not incomparable(self._validations[first - 1], self._validations[first]):
            first -= 1
        return self._validations[first] if first < len(self._validations) - 1 else None

    def _notes(self) -> list[str]:
        """Which validations of the run are not compared, and why."""
        notes = []
        for earlier, later in zip(self._validations, self._validations[1:], strict=False):
            if found := incomparable(earlier, later):
                notes.append(
                    f"Validations up to step {earlier['step']} are not compared with those from step {later['step']} "
                    f"on, which were made with {' and '.join(found)}."
                )
        return notes + self._balance.notes() + constant_components(self._steps)

    def _left_out(self) -> dict[str, str]:
        """How many samples the policy could not take, over all ranks; empty if it took all."""
        trained = sum(step.get("train/prompts_too_long", 0.0) for step in self._steps)
        last = self._validations[-1] if self._validations else {}
        counts = [f"{trained:.0f} in training"] if trained else []
        if last.get("left_out"):
            counts.append(f"{last['left_out']} of {last['samples'] + last['left_out']} in the last validation")
        return {"Samples left out (data.on_long)": ", ".join(counts)} if counts else {}

    def _write(self, trainer: Trainer, module: LightningModule, *, is_last: bool = False) -> None:
        if not trainer.is_global_zero:
            return
        began = time.monotonic()
        report = self.report(trainer, module)
        draws_page = is_last or report.finished or began >= self._page_is_due_at
        report.write(self._folder(trainer), page=draws_page)
        self._is_written, self._is_final = True, report.finished
        if draws_page:
            ended = time.monotonic()
            self._page_is_due_at = ended + 20 * (ended - began)

    def _write_numbers(self, trainer: Trainer, validation: Validation) -> None:
        if trainer.is_global_zero:
            name = "validation" if trainer.state.fn == "validate" else "test"
            name += "-exchanged" if validation.exchanged else ""
            data = plain({"use": USE, "written": _now()} | validation.to_dict())
            text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            path = self._folder(trainer) / f"{name}.json"
            write_atomically(path, text)
            report = read_report(path.parent)
            later = read_evaluations(path.parent, began(report))
            add_evaluations(path.parent, _beside(report.get("after"), later))
            if self.table:
                console = PlainConsole()
                summary_table(validation.to_dict()).print(console)
                console.print(f"Numbers: {path}", soft_wrap=True, highlight=False)

    def _record_step(self, module: LightningModule) -> None:
        finished = watched(module).finished_step
        if finished is None or (self._steps and self._steps[-1]["step"] >= finished.step):
            return
        scored, trained = (list(map(GroupRow.of, groups)) for groups in (finished.scored, finished.trained))
        judges = reward_judges(module)
        if not self._rewarded_by or self._rewarded_by[-1]["judges"] != judges:
            self._rewarded_by.append({"after": finished.step - 1, "judges": judges})
        parts = gather((signal_tally(finished.scored).entries, scored, trained, finished.bad_shards))
        signal = Tally.merged(Tally(entries) for entries, *_ in parts).means()
        self._balance.use_conditions(_rewards_of(module), _sampled_by(module), finished.step - 1)
        self._balance.add(
            [row for part in parts for row in part[1]],
            [row for part in parts for row in part[2]],
            sum((part[3] for part in parts), Counter()),
        )
        numbers = {"step": float(finished.step)} | step_metrics(finished) | signal
        self._steps.append({name: value for name, value in numbers.items() if not math.isnan(value)})

    def page(self, trainer: Trainer) -> Path:
        """The file of the page, whether it is written or not."""
        return self._folder(trainer) / "report.html"

    def files_of_run(self, trainer: Trainer) -> list[Path]:
        """The report and the results of evaluations that are there."""
        names = ("report.md", "report.json", "report.html", *FILES)
        return [path for name in names if (path := self._folder(trainer) / name).exists()]

    def _folder(self, trainer: Trainer) -> Path:
        return Path(self.folder if self.folder is not None else trainer.default_root_dir)

    # Checkpoint state ------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Curves, validations and completions to show; thumbnails are created again at the next validation."""
        return {
            "steps": self._steps,
            "validations": self._validations,
            "gain": self._gain,
            "balance": self._balance.state_dict(),
            "first_scores": [[*key, *values] for key, values in self._first_scores.items()],
            "began": self._began,
            "resumes": list(self._resumes),
            "rewarded_by": list(self._rewarded_by),
        } | self._shown.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The inverse of ``state_dict``."""
        self._steps = list(state_dict["steps"])
        self._validations = list(state_dict["validations"])
        self._gain = dict(state_dict["gain"])
        self._balance = Balance.from_state(state_dict["balance"]) if "balance" in state_dict else Balance()
        self._began = state_dict.get("began", "")
        self._resumes = list(state_dict.get("resumes", ()))
        self._rewarded_by = list(state_dict.get("rewarded_by", ()))
        rows = [row if isinstance(row[1], str) else ["", *row] for row in state_dict["first_scores"]]
        self._first_scores = {(row[0], row[1], row[2]): tuple(row[3:]) for row in rows}
        self._shown.load_state_dict(state_dict)


_SLICES = ("modalities", "sources", "subgroups", "intervals")


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _measures(record: CompletionRecord) -> tuple[float | None, ...]:
    named = record.names_modality
    return record.total, record.credit, None if named is None else float(named)


def _gain(
    first: Scores,
    last: Scores,
    clusters: Mapping[CompletionKey, Cluster],
) -> dict[str, Any]:
    """Paired difference of each measure over the completions that are scored in both validations."""
    gains: dict[str, Any] = {}
    for column, name in enumerate(_MEASURES):
        keys = [k for k in last if k in first and first[k][column] is not None and last[k][column] is not None]
        if not keys:
            continue
        difference = paired_difference(
            [float(first[key][column] or 0.0) for key in keys],
            [float(last[key][column] or 0.0) for key in keys],
            [clusters[key] for key in keys],
        )
        gains[name] = {
            "estimate": difference.estimate,
            "low": difference.low,
            "high": difference.high,
            "count": difference.count,
            "clusters": difference.clusters,
            "method": difference.method,
        }
    return gains


def _beside(last: Mapping[str, Any] | None, evaluations: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Later results, with what they were measured with that the last validation of the training was not."""
    if not last:
        return list(evaluations)
    return [{**entry, "differences": differences_from_training(last, entry)} for entry in evaluations]


def _rewards_of(module: LightningModule) -> str:
    """Identity of what completions are rewarded with; empty for a module that does not know."""
    known = suite_of(module)
    return json.dumps([known.get(name, "") for name in OF_REWARDS]) if known else ""


def _sampled_by(module: LightningModule) -> str:
    """Identity of the prompts and the sampling that training rewards are for; likewise."""
    known = suite_of(module)
    engine = getattr(module, "engine", None)
    sampling = {} if engine is None else {**asdict(engine.sampling), "seed": None}
    parts = [known.get(name, "") for name in ("prompts", "template", "precision")]
    return json.dumps([*parts, sampling]) if known else ""


def _spec(trainer: Trainer) -> str:
    """The spec that the command line saved with the run, the last where a resume changed it; without API keys."""
    folder = Path(trainer.default_root_dir)
    saved = [*folder.glob("spec.yaml"), *sorted(folder.glob("spec.from-step-*.yaml"))]
    return saved[-1].read_text(encoding="utf-8") if saved else ""
