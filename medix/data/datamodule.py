"""Training and validation data of a run."""

import logging
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import lightning.pytorch as lightning
import torch

from medix.data.exchange import ExchangedImages, Samples
from medix.data.failed_downloads import server_of
from medix.data.loader import BatchPlan, PromptDataset, PromptLoader
from medix.data.manifest import Manifest, ManifestError, joint_digest, read_manifests
from medix.data.mixture import Mixture
from medix.data.overlap import SplitOverlaps
from medix.data.prompting import Prompting
from medix.data.read_ahead import ReadAhead
from medix.data.selectors.selector import EpochSelector, Selector
from medix.data.shard_cache import ShardCache
from medix.data.split_rows import RepeatedIds, RowReader, rows_of_repeated_ids
from medix.data.stream import Stream
from medix.modality import TEXT_ONLY

_LOG = logging.getLogger(__name__)
DIGESTS = "digest of each"
"""Key of the digests of training manifests by path, for messages: files may move."""
VALIDATED = "digest of each of the validation"
"""Key of the digests of validation manifests by path, for the run card: a run goes on with other ones."""
_MOST_COMPARED = 200_000
"""Largest number of training samples whose ids are compared at the start; ``shards verify`` compares any number."""


class ShardDataModule(lightning.LightningDataModule):
    """Streams prompts from shards.

    Splits are lists of manifests: files, folders with manifests, or patterns. What is drawn for training is a function
    of (seed, index, state of the selector) and does not depend on ranks or workers. A resumed run continues at
    ``position``; resuming with other manifests or another order is an error. At the start of ``fit`` the splits are
    compared: samples, cases, images and text-only questions that two of them share are logged. In every stage, an id
    that is used by different samples of one data set is an error before anything is sampled (among up to 200,000
    training samples, as far as their shards have indexes), and so is a manifest listed twice.

    Args:
        train: manifests to train on.
        val: manifests to validate on.
        test: manifests of the test split.
        predict: manifests to write completions for; those of ``val`` if empty.
        seed: seed of the order of training samples.
        window: number of shards that are mixed with each other and kept open.
        num_workers: number of processes that render prompts; 0 renders them in the training process.
        val_batch_size: prompts per validation, test or prediction batch, over all ranks.
        mixture: which training samples are used, and how often an epoch contains them.
        selector: decides which of them each draw reads; None for ``EpochSelector``, which reads each once per epoch.
        limit_val: maximum number of validation samples, evenly spaced over the split.
        on_long: what to do with a prompt that the policy cannot take, because it is longer than
            ``prompting.max_prompt_tokens``, the policy's processor or chat template refuses it, as for the shape of a
            picture, or the image markers of the question disagree with its images: ``error`` raises, ``skip`` leaves
            it out and counts it.
        cache_dir: folder for downloaded shards; None for ``~/.cache/medix/shards``.
        cache_gb: size of that folder in GB (1e9 bytes), above which the shards opened least recently are removed, never
            one that is open; None for no limit.
        download_seconds: longest time that the download of a shard may take, over all attempts. A server that does not
            answer in it, or in five attempts, is not asked again for ten minutes by any process that shares the folder;
            of one that answers with errors, or with parts of files, other shards are tried twice.
        read_ahead: number of remote shards that are downloaded before they are needed, beyond those that are open.
        on_bad_shard: what to do in training with a shard that cannot be downloaded or does not match its manifest:
            ``stop`` raises, ``skip`` leaves its samples out of their batches, and counts and names it. Evaluation
            always stops, because its numbers would be of other samples.
        subgroups: fields of the samples' ``metadata``, such as ``sex`` or ``age_band``, by which results are also told:
            rewards in training, validations, and tables of the report.
        exchange_images: give evaluation samples the images of other cases, as a control experiment: accuracy that
            remains does not depend on the images.
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
        selector: Selector | None = None,
        cache_gb: float | None = None,
        read_ahead: int = 2,
        on_bad_shard: Literal["stop", "skip"] = "stop",
        download_seconds: float = 1200.0,
        subgroups: Sequence[str] = (),
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("window", window, 1), ("num_workers", num_workers, 0), ("val_batch_size", val_batch_size, 1),
            ("limit_val", 1 if limit_val is None else limit_val, 1), ("read_ahead", read_ahead, 0),
        ):  # fmt: skip
            if value < least:
                raise ValueError(f"data.{name}: {value}; give {least} or more")
        self.subgroups = _subgroups(subgroups)
        self.paths = {"train": list(train), "val": list(val), "test": list(test), "predict": list(predict or val)}
        self.seed = seed
        self.window = window
        self.num_workers = num_workers
        self.val_batch_size = val_batch_size
        self.mixture = mixture
        self.limit_val = limit_val
        self.on_long = on_long
        if cache_gb is not None and not cache_gb > 0:
            raise ValueError(f"data.cache_gb: {cache_gb}; give a positive size, or null for no limit")
        if not download_seconds > 0:
            raise ValueError(f"data.download_seconds: {download_seconds}; give a positive number of seconds")
        folder, limit = Path(cache_dir) if cache_dir else None, None if cache_gb is None else int(cache_gb * 1e9)
        self.cache = ShardCache(folder, limit, seconds=download_seconds)
        self.read_ahead = read_ahead
        self.on_bad_shard = on_bad_shard
        self.exchange_images = exchange_images
        self._selector = selector or EpochSelector()
        self.prompting: Prompting | None = None
        self.processor: Any = None
        self.prompts_per_rollout = 0
        self.predict_from = 0
        """Index of the first sample of the predict split that ``predict`` still has to sample."""
        self.loaders: dict[str, PromptLoader] = {}
        self._manifests: dict[str, tuple[Manifest, ...]] = {}
        self._reader = RowReader()
        self._position = 0

    # Interface to the training module --------------------------------------------------------------------------------

    def bind(self, prompting: Prompting, processor: Any, prompts_per_rollout: int = 0) -> None:
        """Set what renders samples to prompts.

        Args:
            prompting: renders samples.
            processor: the policy's processor.
            prompts_per_rollout: prompts per training batch, over all ranks; not needed for validation.

        Raises:
            ValueError: the modality of a manifest is not in the modality set.
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

    @cached_property
    def selector(self) -> Selector:
        """What decides which training sample each draw reads, bound to the training samples.

        Raises:
            ValueError: its settings do not fit the samples.
        """
        self._selector.bind(self._train_stream)
        return self._selector

    def manifests(self, split: str) -> tuple[Manifest, ...]:
        """The manifests of ``train``, ``val``, ``test`` or ``predict``, read once.

        Raises:
            ValueError: no manifests are given for the split.
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
            ValueError: a split is missing, images would be exchanged in ``fit``, an id of a split to evaluate is used
                by different samples of a data set, or the selector or the cache does not fit the training samples.
        """
        if stage == "fit" and self.exchange_images:
            raise ValueError(
                "data.exchange_images: true is a control experiment for validate, test and predict; in fit the best "
                "checkpoint would be chosen by it. Leave it out, and give it to validate or test afterwards"
            )
        splits = {"fit": ["train", "val"], "validate": ["val"], "test": ["test"], "predict": ["predict"]}[stage]
        for split in splits:
            if self.paths[split] or split != "val" or stage == "validate":
                self.manifests(split)
        for split in splits:
            if split != "train" and self.paths[split]:
                self._check_ids(split)
        if stage == "fit":
            self.selector.epoch(1)  # binds it
            self._check_cache("train", self._train_stream)
        if stage == "fit" and self._is_first_rank:
            self._check_train_ids()
            for message in (*self.selector.remarks(), *self.overlaps.messages()):
                _LOG.warning("%s", message)

    def train_dataloader(self) -> PromptLoader:
        """Batches of ``prompts_per_rollout`` from ``position`` on."""
        stream = self._train_stream
        size, ranks = self.prompts_per_rollout, self._ranks
        if size < 1 or size % ranks:
            raise ValueError(
                f"prompts_per_rollout: {size} prompts cannot be shared by {ranks} ranks; give a multiple of {ranks}"
            )
        if len(stream) < size:
            raise ValueError(
                f"data.train has {len(stream)} samples, fewer than prompts_per_rollout = {size}: an epoch would have "
                "no batch; lower prompts_per_rollout, or give more manifests"
            )
        plan = BatchPlan(self.selector.epoch(size), size, crosses=not self.selector.leaves_rest)
        return self._loader("train", stream, plan, self.position, endless=True, selector=self.selector)

    def val_dataloader(self) -> PromptLoader | list[PromptLoader]:
        """The validation split in stored order; no loader if there is no such split."""
        return self._evaluation_loader("val") if self.paths["val"] else []

    def test_dataloader(self) -> PromptLoader:
        """The test split in stored order."""
        return self._evaluation_loader("test")

    def predict_dataloader(self) -> PromptLoader:
        """The samples to write completions for, in stored order."""
        return self._evaluation_loader("predict")

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:  # noqa: ARG002
        """Return the batch unchanged: the policy moves the tensors that it needs."""
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Identity and order of the training data, and the state of the selector; the module saves the position."""
        if not self.paths["train"]:
            return {}
        mixture = self.mixture or Mixture()
        return {
            "train manifests": joint_digest(self.manifests("train")),
            DIGESTS: {str(one.path): one.digest for one in self.manifests("train")},
            VALIDATED: {str(one.path): one.digest for one in self._manifests.get("val", ())},
            "seed": self.seed,
            "window": self.window,
            "mixture": [sorted(mixture.repeat.items()), sorted(mixture.limit.items()), mixture.total],
            "selector": [type(self._selector).__name__, self._selector.settings()],
            "selector state": self.selector.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the selector, after a check that the data did not change: draws would read other samples.

        Raises:
            ValueError: the training data or their order differ; names what differs.
        """
        if self.trainer is not None and self.trainer.state.fn != "fit":
            return
        saved = {"selector": [EpochSelector.__name__, {}], "selector state": {}} | state_dict  # before selectors: this
        selector_state, current = saved.pop("selector state"), self.state_dict()
        digests, _ = saved.pop(DIGESTS, {}), saved.pop(VALIDATED, None)
        differing = [key for key in saved if saved[key] != current.get(key)]
        if differing:
            lines = "; ".join(f"{key}: {saved[key]} saved, {current.get(key)} now" for key in differing)
            changed = [path for path, digest in digests.items() if current[DIGESTS].get(path) != digest]
            lines += f"; changed or missing: {', '.join(changed)}" if changed else ""
            raise ValueError(
                f"data: the checkpoint was written with other training data or another order ({lines}). Restore the "
                f"data ({', '.join(map(str, self.paths['train']))}) and data.seed, data.window, data.mixture, "
                "data.selector, or start a new run"
            )
        if self.paths["train"]:
            self.selector.load_state_dict(selector_state)

    # Splits ----------------------------------------------------------------------------------------------------------

    @cached_property
    def overlaps(self) -> SplitOverlaps:
        """Overlaps of the training, validation and test splits; computed once, without downloads."""
        streams, unread = {}, {}
        for split in ("train", "val", "test"):
            try:
                if self.paths[split]:
                    streams[split] = self.stream(split)
            except ValueError as error:  # this stage may not need the split; one that needs it raises the error
                unread[split] = str(error)
        return SplitOverlaps(streams, unread, self._reader)

    def label(self, split: str) -> str:
        """What tables call a split: ``held out`` if it was compared with all earlier splits and shares nothing."""
        return self.overlaps.label(split)

    def servers(self, *splits: str) -> frozenset[str]:
        """The servers and buckets that shards of splits are downloaded from; splits without manifests have none."""
        manifests = (manifest for split in splits if self.paths[split] for manifest in self.manifests(split))
        return frozenset(server_of(entry.url) for one in manifests for entry in one.shards if entry.is_remote)

    def stream(self, split: str) -> Stream:
        """The samples of a split by global index."""
        mixture = self.mixture if split == "train" else Mixture(total=self.limit_val if split == "val" else None)
        return Stream(self.manifests(split), self.seed, self.window, split == "train", mixture, self.cache)

    @cached_property
    def _train_stream(self) -> Stream:
        return self.stream("train")

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

    def _check_train_ids(self) -> None:
        """As ``_check_ids``, of the training samples, as far as indexes hold them: no shard is read for it."""
        if len(self._train_stream) > _MOST_COMPARED:  # a million take 4 s
            told = (
                "ids of data.train are not compared, because they are more than %s; medix shards verify compares them"
            )
            _LOG.warning(told, f"{_MOST_COMPARED:,}")
            return
        reader = RowReader(max_read_bytes=0)
        ids = RepeatedIds(rows_of_repeated_ids(lambda: reader.rows("train", self._train_stream)))
        if ids.differing:
            raise ValueError(ids.conflicts("train"))

    def _evaluation_loader(self, split: str) -> PromptLoader:
        found = self.stream(split)
        self._check_cache(split, found)
        stream: Samples = ExchangedImages(found, self.seed) if self.exchange_images else found
        plan = BatchPlan(len(stream), self.val_batch_size, keep_rest=True)
        return self._loader(split, stream, plan, self.predict_from if split == "predict" else 0, endless=False)

    def _check_cache(self, split: str, stream: Stream) -> None:
        """Refuse a limit of the cache that the shards of a split that are open at a time exceed."""
        used = zip(stream.shards.shards, stream.order.counts, strict=True)
        remote = [shard.entry.bytes for shard, count in used if shard.entry.is_remote and count]
        largest = sorted(remote, reverse=True)[: stream.shards.limit]
        if self.cache.limit is not None and sum(largest) > self.cache.limit:
            raise ValueError(
                f"data.cache_gb: {self.cache.limit / 1e9:g} GB cannot hold the {len(largest)} shards of data.{split} "
                f"that are open at a time ({sum(largest) / 1e9:.3g} GB); raise it, or lower data.window"
            )

    def _loader(
        self,
        split: str,
        stream: Samples,
        plan: BatchPlan,
        position: int,
        endless: bool,
        selector: Selector | None = None,
    ) -> PromptLoader:
        if self.prompting is None:
            raise RuntimeError(f"data: the {split} loader needs bind(prompting, processor) first")
        self.loaders[split] = PromptLoader(
            PromptDataset(stream, self.prompting, self.processor, self.subgroups),
            plan,
            position,
            rank=self.trainer.global_rank if self.trainer is not None else 0,
            ranks=self._ranks,
            workers=self.num_workers,
            skip_long=self.on_long == "skip",
            endless=endless,
            selector=selector,
            skip_bad_shards=split == "train" and self.on_bad_shard == "skip",
            read_ahead=None if selector is None else ReadAhead(self._train_stream, selector, self.read_ahead),
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
                    f"data.{split}: {manifest.path} has modality {manifest.modality}, not in the modality set; known: "
                    f"{', '.join(self.prompting.modalities)}. Add it to model.modalities, or leave the manifest out"
                )


def _subgroups(names: Sequence[str]) -> list[str]:
    reserved = [name for name in names if not name or name in ("modality", "source", "dataset")]
    if isinstance(names, str) or reserved or len(set(names)) < len(names):
        raise ValueError(
            f"data.subgroups: {names!r}; give a list of different fields of metadata, without modality, source and "
            "data set, which have tables anyway"
        )
    return list(names)
