"""The server's side of ``FolderChannel``; vLLM creates one in each of its workers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from vllm.distributed.weight_transfer.base import (
    WeightTransferEngine,
    WeightTransferInitInfo,
    WeightTransferUpdateInfo,
)

from medix.rollout.serving.weight_folder import differences, from_plain, read, sizes_of
from medix.rollout.vllm_core import lay_out_for_cpu
from medix.rollout.vllm_sampling import LOGITS_PROCESSOR, LOGPROBS_MODE


@dataclass
class FolderInit(WeightTransferInitInfo):  # type: ignore[misc]  # vLLM has no types that mypy sees
    """Empty: a folder needs no connection."""


@dataclass
class FolderUpdate(WeightTransferUpdateInfo):  # type: ignore[misc]
    """What is to be loaded.

    Args:
        files: each with ``path``, ``size`` and ``sha256``.
        sizes: of the policy, see ``sizes_of``.
        narrowed_to: dtype to which wider weights of the policy were rounded; None if none were.
    """

    files: list[dict[str, Any]]
    sizes: dict[str, int] = field(default_factory=dict)
    narrowed_to: str | None = None


class FolderReceiver(WeightTransferEngine):  # type: ignore[misc]
    """Loads the weights that ``WeightFolder`` wrote, all at once.

    Before the first weight is changed, it checks that the model has the policy's sizes and that every file is complete.
    Afterwards every parameter of the model must have been loaded. Beginning and end of an update do nothing, so that an
    update that its trainer never ended needs no cleanup.
    """

    init_info_cls = FolderInit
    update_info_cls = FolderUpdate

    def init_transfer_engine(self, init_info: FolderInit) -> None:
        """Nothing to do."""

    def start_weight_update(self) -> None:
        """Nothing to do."""

    def finish_weight_update(self) -> None:
        """Nothing to do."""

    def shutdown(self) -> None:
        """Nothing to release."""

    def receive_weights(self, update_info: FolderUpdate) -> None:
        """Check, then load.

        Raises:
            ValueError: the model is not the policy's, or the server was started with other settings.
            WeightFileError: a file is missing, or differs.
        """
        self._check_settings()
        found = differences(sizes_of(self.model_config.hf_config), update_info.sizes)
        if found:
            raise ValueError(
                f"the server holds another model than the policy: {'; '.join(found)}; start it with --model of the "
                "policy's name"
            )
        self._check_dtype(update_info.narrowed_to)
        files = from_plain(update_info.files)
        for file in files:
            file.check()
        self._load(read(files))

    def _check_dtype(self, narrowed_to: str | None) -> None:
        """Weights that were rounded for other servers would be less than this one can hold."""
        if narrowed_to is None:
            return
        own = self.model_config.dtype
        if own.itemsize > getattr(torch, narrowed_to).itemsize:
            raise ValueError(
                f"weights were published in {narrowed_to}, the dtype of the servers that were up, and this server "
                f"computes in {str(own).removeprefix('torch.')}; it gets its own with the next publish, or start it "
                f"with --extra --dtype {narrowed_to}"
            )

    def _check_settings(self) -> None:
        """With other settings the server would misread images, or return other log-probabilities."""
        model = self.model_config
        pictures = getattr(model, "multimodal_config", None)
        wrong = [
            setting
            for setting, holds in {
                f"--logprobs-mode {LOGPROBS_MODE}": model.logprobs_mode == LOGPROBS_MODE,
                f"--logits-processors {LOGITS_PROCESSOR}": LOGITS_PROCESSOR in (model.logits_processors or ()),
                "--no-mm-device-do-normalize": not getattr(pictures, "mm_device_do_normalize", False),
            }.items()
            if not holds
        ]
        if wrong:
            raise ValueError(
                f"the server was started without {' '.join(wrong)}; start it with: python -m medix rollout serve"
            )

    def _load(self, weights: Iterator[tuple[str, Tensor]]) -> None:
        from vllm.model_executor.model_loader.mtp_validation import disable_mtp_completeness_check
        from vllm.model_executor.model_loader.reload import finalize_layerwise_reload, initialize_layerwise_reload

        expected = {name for name, _ in self.model.named_parameters()}
        with disable_mtp_completeness_check():
            initialize_layerwise_reload(self.model)
            try:
                loaded = self.model.load_weights(weights)
            finally:
                finalize_layerwise_reload(self.model, self.model_config)
        if self.device.type == "cpu":
            lay_out_for_cpu(self.model)
        missing = sorted(expected - set(loaded)) if loaded is not None else []
        if missing and self.model_config.quantization is None:  # quantised layers hold what no checkpoint names
            raise ValueError(
                f"the policy published no weights for {len(missing)} of the {len(expected)} parameters that the server "
                f"has, such as {missing[0]}; start the server with --model of the policy's name"
            )
