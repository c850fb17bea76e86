"""Completions of a predict run as JSON lines."""

import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from medix.callbacks.unfinished_predictions import UnfinishedPredictions
from medix.callbacks.watched import images_exchanged, watched
from medix.data.datamodule import ShardDataModule
from medix.data.exchange import ExchangedImages
from medix.data.stream import Stream
from medix.distributed import broadcast, fail_together, gather
from medix.files.atomic_file import is_stream
from medix.reporting.record import record_completion, with_images, write_records
from medix.reporting.record_identity import unique
from medix.types import RolloutGroup

_LOG = logging.getLogger(__name__)


class WritePredictions(Callback):
    """Writes every completion with its parsed parts, whether it names the right modality, and its flags.

    ``images`` names where each image is stored: its shard, and its member in that tar.

    Each batch is appended to ``NAME.unfinished`` when it has been sampled, from which the same command goes on after a
    stop. The file itself is written at the end, in the order of the samples and with each sample once, regardless of
    the number of ranks; nothing is judged.

    Args:
        path: the JSON lines file.
        facts: what the completions depend on, by name. Completions that depend on something else are not continued.
    """

    def __init__(self, path: str | Path, facts: Mapping[str, Any] | None = None) -> None:
        self.path = Path(path)
        self.facts = facts or {}
        self._unfinished: UnfinishedPredictions | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Find what an earlier run has sampled, and have the data start behind it.

        Raises:
            ValueError: it depends on something else, or another process is writing it.
        """
        with fail_together():
            if trainer.is_global_zero:
                self._unfinished = UnfinishedPredictions(
                    self._place(trainer), self.facts, goes_on=not _limited(trainer)
                )
        start = broadcast(self._unfinished.samples if self._unfinished is not None else 0)
        if start:
            trainer.datamodule.predict_from = start  # type: ignore[attr-defined]  # Lightning does not declare it
            if trainer.is_global_zero:
                sys.stdout.write(f"medix: going on after {start:,} samples ({self._place(trainer)})\n")

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Append the completions of a batch, of all ranks: each has its share of every batch, which may be empty."""
        module = watched(pl_module)
        records = [
            with_images(
                record_completion(
                    group, index, module.modalities, step=module.step, exchanged=images_exchanged(trainer)
                ),
                names,
            )
            for group, names in ((group, _image_names(trainer, group)) for group in outputs)
            for index in range(len(group.completions))
        ]
        parts = gather((records, batch.too_long))
        if self._unfinished is not None:
            self._unfinished.add(
                batch.next_index, [record for own, _ in parts for record in own], sum(count for _, count in parts)
            )

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the file."""
        if self._unfinished is None:
            return
        write_records(self.path, unique(self._unfinished.records))
        if left_out := self._unfinished.left_out:
            _LOG.warning(
                "%s lacks %d samples, whose prompts the policy cannot take (data.on_long: skip)", self.path, left_out
            )
        self._unfinished.close(is_done=True)
        self._unfinished = None

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Say where the completions are that have been sampled."""
        if self._unfinished is None:
            return
        unfinished, self._unfinished = self._unfinished, None
        unfinished.close()
        if unfinished.path.exists():
            sys.stdout.write(
                f"medix: {unfinished.samples:,} samples are kept in {unfinished.path}, after which the same command "
                "goes on\n"
            )

    def _place(self, trainer: Trainer) -> Path:
        """Beside the file, or, where that is a device or a pipe, in the folder of the run."""
        place = Path(trainer.default_root_dir) / "predictions.jsonl" if is_stream(self.path) else self.path
        return place.with_name(f"{place.name}.unfinished")


def _limited(trainer: Trainer) -> bool:
    """Whether only some batches are sampled, counted from where the run starts."""
    limit = trainer.limit_predict_batches
    return limit is not None and not (isinstance(limit, float) and limit == 1.0)


def _image_names(trainer: Trainer, group: RolloutGroup) -> tuple[str, ...]:
    datamodule = trainer.datamodule  # type: ignore[attr-defined]  # Lightning does not declare it
    if not isinstance(datamodule, ShardDataModule):
        return ()
    stream = datamodule.loaders["predict"].dataset.stream
    return stream.image_names(group.prompt.index) if isinstance(stream, Stream | ExchangedImages) else ()
