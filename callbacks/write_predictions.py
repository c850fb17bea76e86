"""Completions of a predict run as JSON lines."""

import logging
from pathlib import Path
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from medix.callbacks.watched import images_exchanged, watched
from medix.data.datamodule import ShardDataModule
from medix.data.exchange import ExchangedImages
from medix.data.stream import Stream
from medix.distributed import gather
from medix.reporting.record import CompletionRecord, record_completion, with_images, write_records
from medix.reporting.record_identity import unique
from medix.types import RolloutGroup

_LOG = logging.getLogger(__name__)


class WritePredictions(Callback):
    """Writes every completion with its parsed parts, whether it names the right modality, and its flags.

    ``images`` names where each image is stored: its shard, and its member in that tar.

    The file is written at the end, with each sample once regardless of the number of ranks; nothing is judged.

    Args:
        path: the JSON lines file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._records: list[CompletionRecord] = []
        self._left_out = 0

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Discard the records of an earlier run."""
        self._records = []
        self._left_out = 0

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Record the completions of a batch."""
        module = watched(pl_module)
        self._left_out += getattr(batch, "too_long", 0)
        self._records += [
            with_images(
                record_completion(
                    group, index, module.modalities, step=module.step, exchanged=images_exchanged(trainer)
                ),
                names,
            )
            for group, names in ((group, _image_names(trainer, group)) for group in outputs)
            for index in range(len(group.completions))
        ]

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Gather the ranks and write the file."""
        records = unique(record for part in gather(self._records) for record in part)
        left_out = sum(gather(self._left_out))
        if trainer.is_global_zero:
            write_records(self.path, records)
            if left_out:
                _LOG.warning(
                    "%s lacks %d samples, whose prompts the policy cannot take (data.on_long: skip)",
                    self.path,
                    left_out,
                )


def _image_names(trainer: Trainer, group: RolloutGroup) -> tuple[str, ...]:
    datamodule = trainer.datamodule  # type: ignore[attr-defined]  # Lightning does not declare it
    if not isinstance(datamodule, ShardDataModule):
        return ()
    stream = datamodule.loaders["predict"].dataset.stream
    return stream.image_names(group.prompt.index) if isinstance(stream, Stream | ExchangedImages) else ()
