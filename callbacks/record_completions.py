"""Records every completion as one JSON line; consistent after crashes and resumes."""

import hashlib
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from medix.callbacks.judged_groups import verdicts_of_rewards
from medix.callbacks.watched import accuracy_component, suite_of, watched
from medix.distributed import gather
from medix.evaluation.validation import Validation
from medix.files.atomic_file import naming
from medix.modules.last_step import LastStep
from medix.reporting.record import (
    CompletionRecord,
    append_records,
    drop_steps_after,
    record_group,
    with_images,
    write_records,
)
from medix.types import GroupKey, RolloutGroup, SampleKey, ScoredGroup, Verdict

_LOG = logging.getLogger(__name__)
_WRITTEN = re.compile(r"train\.rank\d+\.jsonl|(val|validate|test)(-exchanged)?-step-\d+\.jsonl|images")


class RecordCompletions(Callback):
    """Writes ``train.rank0.jsonl`` (one file per rank, one write per step) and, for every validation, one
    ``val-step-000010.jsonl``; ``validate-…`` and ``test-…`` under ``trainer.validate`` and ``trainer.test``, and
    ``validate-exchanged-…`` and ``test-exchanged-…`` with ``data.exchange_images``.

    In training, the step of a record is the one that used the completion: that trained on it, found its group without
    a signal, or dropped it as too old. Groups that wait for a later step are written by that step, on the rank that
    trains them, or when training ends. Their verdicts are what the rewards know, without a further question to a judge
    (``verdicts_of_rewards``).

    When a run is resumed, lines and files of later steps are deleted, so that no step is recorded twice.
    ``medix.reporting.record.read_records`` reads the files.

    Args:
        every_n_steps: record every n-th training step; validations are always recorded.
        folder: output folder, relative to ``trainer.default_root_dir`` unless absolute.
        images: also write the images, each once, into ``images/`` beside the JSON lines. Off by default because images
            are patient data.
    """

    def __init__(self, every_n_steps: int = 1, folder: str = "completions", images: bool = False) -> None:
        if every_n_steps < 1:
            raise ValueError(f"RecordCompletions.every_n_steps: {every_n_steps} must be at least 1")
        self.every_n_steps = every_n_steps
        self.folder = folder
        self.images = images
        self._names: dict[SampleKey, tuple[str, ...]] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Delete what was written after the step from which training resumes, and of groups that still wait."""
        step = watched(pl_module).step
        path = self._train_file(trainer)
        waiting = {
            index for part in gather([g.rollout.prompt.index for g in waiting_groups(pl_module)]) for index in part
        }
        dropped = drop_steps_after(path, step, waiting)
        if dropped:
            _LOG.info("%s: deleted %d lines of steps after %d, from which training resumes", path, dropped, step)
        if trainer.is_global_zero:
            for file in self._folder(trainer).glob("train.rank*.jsonl"):  # of ranks that this run has no longer
                rank = file.stem.removeprefix("train.rank")
                if rank.isdecimal() and int(rank) >= trainer.world_size:
                    drop_steps_after(file, step, waiting)
            for file in self._folder(trainer).glob("val-step-*.jsonl"):
                number = file.stem.removeprefix("val-step-")
                if number.isdecimal() and int(number) > step:
                    file.unlink()

    def files_of_run(self, trainer: Trainer) -> list[Path]:
        """Records and images that are there, or their folder where it holds nothing else."""
        folder = self._folder(trainer)
        found = list(folder.iterdir()) if folder.is_dir() else []
        own = [path for path in found if _WRITTEN.fullmatch(path.name)]
        return [folder] if own and len(own) == len(found) else own

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Append the groups that the step trained on, with their advantages, and those without a signal.

        A group that waits for a later step is written by that step, because its advantage is not known earlier.
        """
        finished = watched(pl_module).finished_step
        if finished is None:
            return
        if finished.step % self.every_n_steps == 0:
            used = finished.used({group.key for group in waiting_groups(pl_module)})
            advantages = {group.key: found for group, found in zip(finished.trained, finished.advantages, strict=False)}
            self._append(trainer, pl_module, used, finished.step, advantages)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Append groups that no step has used."""
        self._append(trainer, pl_module, list(waiting_groups(pl_module)), watched(pl_module).step, {})

    def _append(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        groups: Sequence[ScoredGroup],
        step: int,
        advantages: Mapping[GroupKey, Sequence[float]],
    ) -> None:
        """Append groups to the file of this rank."""
        records = [
            self._with_images(trainer, record, group.rollout)
            for group, verdicts in zip(groups, _verdicts(pl_module, groups), strict=True)
            for record in record_group(
                group,
                watched(pl_module).modalities,
                step=step,
                split="train",
                advantages=advantages.get(group.key),
                suite=suite_of(pl_module),
                verdicts=verdicts,
            )
        ]
        if records:
            append_records(self._train_file(trainer), records)

    def on_judged_groups(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        groups: Sequence[RolloutGroup],
        records: Sequence[CompletionRecord],
    ) -> None:
        """Write the images of a validation batch, on the rank that has them."""
        if self.images:
            for group in groups:
                self._names[group.prompt.sample.key] = self._write_images(trainer, group)

    def on_judged(self, trainer: Trainer, pl_module: LightningModule, validation: Validation) -> None:
        """Write the completions of a validation, gathered from all ranks, into one file."""
        names: dict[SampleKey, tuple[str, ...]] = {}
        for part in gather(self._names):
            names |= part
        self._names = {}
        if trainer.is_global_zero:
            stage = "validate" if trainer.state.fn == "validate" else validation.split
            stage += "-exchanged" if validation.exchanged else ""
            path = self._folder(trainer) / f"{stage}-step-{validation.step:06d}.jsonl"
            write_records(path, [with_images(one, names.get(one.sample_key, ())) for one in validation.records])

    def _with_images(self, trainer: Trainer, record: CompletionRecord, group: RolloutGroup) -> CompletionRecord:
        return with_images(record, self._write_images(trainer, group)) if self.images else record

    def _write_images(self, trainer: Trainer, group: RolloutGroup) -> tuple[str, ...]:
        folder = self._folder(trainer) / "images"
        folder.mkdir(parents=True, exist_ok=True)
        names = []
        for image in group.prompt.sample.images:
            kind = "jpg" if image.startswith(b"\xff\xd8") else "png"
            name = f"{hashlib.sha256(image).hexdigest()[:32]}.{kind}"
            if not (folder / name).exists():
                part = folder / f".{name}.rank{trainer.global_rank}.part"
                try:
                    with naming(folder / name):
                        part.write_bytes(image)
                    part.replace(folder / name)
                finally:
                    part.unlink(missing_ok=True)
            names.append(f"images/{name}")
        return tuple(names)

    def _train_file(self, trainer: Trainer) -> Path:
        return self._folder(trainer) / f"train.rank{trainer.global_rank}.jsonl"

    def _folder(self, trainer: Trainer) -> Path:
        return Path(trainer.default_root_dir) / self.folder


def _verdicts(module: LightningModule, groups: Sequence[ScoredGroup]) -> Sequence[Sequence[Verdict] | None]:
    """Verdicts on the completions of each group by the judge of the rewards; None without one."""
    found = accuracy_component(module)
    if found is None or not groups:
        return [None] * len(groups)
    name, part, judge = found
    asked = watched(module).rewards.asked([group.rollout for group in groups])
    rule = getattr(part, "answer_rule", None)
    return verdicts_of_rewards(groups, watched(module).modalities, judge, name, rule, asked)


def waiting_groups(module: LightningModule) -> Iterable[ScoredGroup]:
    """Scored groups that wait for a later step: those of the last finished one, to which a checkpoint goes back."""
    last: LastStep | None = getattr(module, "last_step", None)
    waiting: Iterable[ScoredGroup] = getattr(module, "buffer", ()) if last is None else last.groups
    return waiting
