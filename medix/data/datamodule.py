"""Training and validation data of a run."""

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as lightning
import torch

from medix.data.exchange import ExchangedImages, Samples
from medix.data.loader import BatchPlan, PromptDataset, PromptLoader
from medix.data.manifest import Manifest, ManifestError, joint_digest, read_manifests
from medix.data.mixture import Mixture
from medix.data.overlap import SplitOverlaps
from medix.data.prompting import Prompting
from medix.data.split_rows import RepeatedIds, RowReader
from medix.data.stream import Stream
from medix.modality import TEXT_ONLY

_LOG = logging.getLogger(__name__)


class ShardDataModule(lightning.LightningDataModule):
    """Streams prompts from shards.

    Splits are lists of manifests: files, folders with manifests, or patterns. The order of training samples is a pure
    function of (seed, epoch, index): not of ranks or workers. A resumed run continues at ``position``, and is refused
    on other manifests or another order. At the start of ``fit`` the splits are compared: samples, cases, images and
    text-only questions that two of them share are logged. In every stage, an id that stands for different samples of
    one data set is an error before anything is sampled, and so is a manifest that a split lists twice.

    Args:
        train: manifests to train on.
        val: manifests to validate on.
        test: manifests of the test split.
        predict: manifests to write completions for; those of ``val`` if there are none.
        seed: decides the order of training samples.
        window: shards that are mixed with each other and held open.
        num_workers: processes that make prompts; 0 makes them in the training process.
        val_batch_size: prompts of a validation, test or prediction batch, over all ranks.
        mixture: which training samples take part, and how often.
        limit_val: validation samples at most, at even distances over the split.
        on_long: what happens to a prompt beyond ``prompting.max_prompt_tokens``: an error, or left out and counted.
        cache_dir: where remote shards are kept; None for ``~/.cache/medix/shards``.
        exchange_images: evaluation samples get the images of other cases, as a control: what a policy still answers
            right it knows from the texts.
    """

    def __init__(
        self,
        train: Sequence[str] = (),
        val: Sequence[str] = (),
        test: Sequence[str] = (),
        predict: Sequence[str] = (),
        seed: int = 1,
        window: int = 16,
        num_workers: int = 0,
        val_batch_size: int = 32,
        mixture: Mixture | None = None,
        limit_val: int | None = None,
        on_long: Literal["error", "skip"] = "error",
        cache_dir: str | None = None,
        exchange_images: bool = False,
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("window", window, 1), ("num_workers", num_workers, 0), ("val_batch_size", val_batch_size, 1),
            ("limit_val", 1 if limit_val is None else limit_val, 1),
        ):  # fmt: skip
            if value < least:
                raise ValueError(f"data.{name}: {value}; give {least} or more")
        self.paths = {"train": list(train), "val": list(val), "test": list(test), "predict": list(predict or val)}
        self.seed = seed
        self.window = window
        self.num_workers = num_workers
        self.val_batch_size = val_batch_size
        self.mixture = mixture
        self.limit_val = limit_val
        self.on_long = on_long
        self.cache_dir = Path(cache_dir) if cache_dir else None
        self.exchange_images = exchange_images
        self.prompting: Prompting | None = None
        self.processor: Any = None
        self.prompts_per_rollout = 0
        self.loaders: dict[str, PromptLoader] = {}
        self._manifests: dict[str, tuple[Manifest, ...]] = {}
        self._reader = RowReader()
        self._position = 0

    # What the module gives and asks ----------------------------------------------------------------------------------

    def bind(self, prompting: Prompting, processor: Any, prompts_per_rollout: int = 0) -> None:
        """Take what turns samples into prompts.

        Args:
            prompting: renders samples.
            processor: the policy's processor.
            prompts_per_rollout: prompts of a training batch, over all ranks; not needed for validation.

        Raises:
            ValueError: a manifest of a modality outside the set.
        """
        self.prompting = prompting
        self.processor = processor
        self.prompts_per_rollout = prompts_per_rollout
        for split in self._manifests:
            self._check_modalities(split)

    @property
    def position(self) -> int:
        """Global index of the sample that the next training iteration starts with."""
        return self.loaders["train"].position if "train" in self.loaders else self._position

    @position.setter
    def position(self, index: int) -> None:
        self._position = index
        if "train" in self.loaders:
            self.loaders["train"].position = index

    @property
    def too_long(self) -> int:
        """Prompts of this rank left out because they passed the limit, over all splits."""
        return sum(loader.too_long for loader in self.loaders.values())

    def manifests(self, split: str) -> tuple[Manifest, ...]:
        """The manifests of ``train``, ``val``, ``test`` or ``predict``, read once.

        Raises:
            ValueError: the split has none.
        """
        if split not in self._manifests:
            if not self.paths[split]:
                raise ValueError(f"data.{split}: no manifests are given; list files or folders, e.g. [shards/{split}]")
            try:
                self._manifests[split] = read_manifests(self.paths[split])
            except ManifestError as error:
                raise ManifestError(f"data.{split}: {error}") from error
            self._check_modalities(split)
        return self._manifests[split]

    # Lightning -------------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Read the manifests of the stage, so that a mistake there stops a run before weights are loaded.

        Raises:
            ValueError: a split is missing, or an id of a split to evaluate stands for different samples of a data set.
        """
        splits = {"fit": ["train", "val"], "validate": ["val"], "test": ["test"], "predict": ["predict"]}[stage]
        for split in splits:
            if self.paths[split] or split != "val" or stage == "validate":
                self.manifests(split)
        for split in splits:
            if split != "train" and self.paths[split]:
                self._check_ids(split)
        if stage == "fit" and self._is_first_rank:
            for message in self.overlaps.messages():
                _LOG.warning("%s", message)

    def train_dataloader(self) -> PromptLoader:
        """Batches of ``prompts_per_rollout`` from ``position`` on."""
        stream = self.stream("train")
        size, ranks = self.prompts_per_rollout, self._ranks
        if size < 1 or size % ranks:
            raise ValueError(
                f"prompts_per_rollout: {size} prompts cannot be shared by {ranks} ranks; give a multiple of {ranks}"
            )
        if len(stream) < size:
            raise ValueError(
                f"data.train holds {len(stream)} samples, fewer than prompts_per_rollout = {size}: an epoch would have "
                "no batch; lower prompts_per_rollout, or give more manifests"
            )
        return self._loader("train", stream, BatchPlan(len(stream), size), self.position, endless=True)

    def val_dataloader(self) -> PromptLoader | list[PromptLoader]:
        """The validation split in its stored order; no loader if there is none."""
        return self._evaluation_loader("val") if self.paths["val"] else []

    def test_dataloader(self) -> PromptLoader:
        """The test split in its stored order."""
        return self._evaluation_loader("test")

    def predict_dataloader(self) -> PromptLoader:
        """The samples to write completions for, in their stored order."""
        return self._evaluation_loader("predict")

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:  # noqa: ARG002
        """Return the batch as it is: the policy moves the tensors that it needs."""
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Identity of the training data and their order; the training module saves the position."""
        if not self.paths["train"]:
            return {}
        mixture = self.mixture or Mixture()
        return {
            "train manifests": joint_digest(self.manifests("train")),
            "seed": self.seed,
            "window": self.window,
            "mixture": [sorted(mixture.repeat.items()), sorted(mixture.limit.items()), mixture.total],
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Refuse to continue on other data, where a position would mean another sample.

        Raises:
            ValueError: names what differs.
        """
        if self.trainer is not None and self.trainer.state.fn != "fit":
            return
        present = self.state_dict()
        differing = [key for key in state_dict if state_dict[key] != present.get(key)]
        if differing:
            lines = "; ".join(f"{key}: {state_dict[key]} saved, {present.get(key)} now" for key in differing)
            raise ValueError(
                f"data: the checkpoint was written on other training data or another order ({lines}). Restore the data "
                f"({', '.join(map(str, self.paths['train']))}) and data.seed, data.window, data.mixture, or start anew"
            )

    # Parts -----------------------------------------------------------------------------------------------------------

    @cached_property
    def overlaps(self) -> SplitOverlaps:
        """What training, validation and test samples have in common; compared once, without a download."""
        streams, unread = {}, {}
        for split in ("train", "val", "test"):
            try:
                if self.paths[split]:
                    streams[split] = self.stream(split)
            except ValueError as error:  # of a split that this stage may not need; the one that needs it raises it
                unread[split] = str(error)
        return SplitOverlaps(streams, unread, self._reader)

    def label(self, split: str) -> str:
        """What tables call a split: ``held out`` if it was compared with all earlier splits and shares nothing."""
        return self.overlaps.label(split)

    def stream(self, split: str) -> Stream:
        """The samples of a split by global index."""
        mixture = self.mixture if split == "train" else Mixture(total=self.limit_val if split == "val" else None)
        return Stream(self.manifests(split), self.seed, self.window, split == "train", mixture, self.cache_dir)

    def _check_ids(self, split: str) -> None:
        """Refuse ids that are not unique: the completions of the samples could not be told apart afterwards."""
        ids = RepeatedIds(self._reader.rows(split, self.stream(split)))
        if ids.differing:
            raise ValueError(ids.conflicts(split))
        if self._is_first_rank:
            for why in self._reader.missing[split]:
                _LOG.warning("ids of data.%s were not all checked: %s", split, why)
            if ids.unknown:
                _LOG.warning("%s", ids.not_compared(split))

    def _evaluation_loader(self, split: str) -> PromptLoader:
        stream: Samples = self.stream(split)
        if self.exchange_images:
            stream = ExchangedImages(stream, self.seed)
        plan = BatchPlan(len(stream), self.val_batch_size, keep_rest=True)
        return self._loader(split, stream, plan, 0, endless=False)

    def _loader(self, split: str, stream: Samples, plan: BatchPlan, position: int, endless: bool) -> PromptLoader:
        if self.prompting is None:
            raise RuntimeError(f"data: the {split} loader needs bind(prompting, processor) first")
        self.loaders[split] = PromptLoader(
            PromptDataset(stream, self.prompting, self.processor),
            plan,
            position,
            rank=self.trainer.global_rank if self.trainer is not None else 0,
            ranks=self._ranks,
            workers=self.num_workers,
            skip_long=self.on_long == "skip",
            endless=endless,
        )
        return self.loaders[split]

    @property
    def _is_first_rank(self) -> bool:
        return self.trainer is None or self.trainer.is_global_zero

    @property
    def _ranks(self) -> int:
        return self.trainer.world_size if self.trainer is not None else 1

    def _check_modalities(self, split: str) -> None:
        if self.prompting is None:
            return
        for manifest in self._manifests[split]:
            if manifest.modality != TEXT_ONLY and manifest.modality not in self.prompting.modalities:
                raise ValueError(
                    f"data.{split}: {manifest.path} holds {manifest.modality}, not in the modality set; known: "
                    f"{', '.join(self.prompting.modalities)}. Add it to model.modalities, or leave the manifest out"
                )
