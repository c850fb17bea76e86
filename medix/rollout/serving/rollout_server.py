"""A vLLM server that samples completions of a policy under training."""

import json
import os
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from medix.rollout.serving.key_guard import GUARD, KEY
from medix.rollout.serving.plugin import BACKEND
from medix.rollout.vllm_sampling import LOGITS_PROCESSOR, LOGPROBS_MODE
from medix.serving.vllm_server import VLLMServer

_NEVER_BETWEEN = 10**6
"""Tokens between two parts of a streamed completion: only its first token, and the rest once it is finished."""


@dataclass(frozen=True)
class RolloutServer(VLLMServer):
    """``medix rollout serve``: token ids and image tensors in, token ids and log-probabilities out, weights replaced.

    Args:
        channel: how weights come: through a folder that trainer and server see, or by NCCL from GPU to GPU.
    """

    channel: Literal["folder", "nccl"] = "folder"

    command: ClassVar[str] = "medix rollout serve"
    purpose: ClassVar[str] = "engine"
    alternative: ClassVar[str] = "; on a machine without it, train with medix.rollout.LocalEngine"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.host not in ("127.0.0.1", "localhost", "::1") and not os.environ.get(KEY, "").strip():
            raise ValueError(
                f"--host {self.host}: whoever reaches this port could replace the weights; put a key of your own into "
                f"the environment variable {KEY} here and where fit runs (openssl rand -hex 32), or leave --host out"
            )

    def words(self, port: int) -> list[str]:
        added = [
            *("--middleware", GUARD),
            "--enable-scale-out",  # the interface that takes token ids
            *("--weight-transfer-config", json.dumps({"backend": {"folder": BACKEND, "nccl": "nccl"}[self.channel]})),
            *("--logprobs-mode", LOGPROBS_MODE),
            *("--logits-processors", LOGITS_PROCESSOR),
            *("--stream-interval", str(_NEVER_BETWEEN)),
            # for the memory profile only; prompts may have more images
            *("--limit-mm-per-prompt", json.dumps({"image": 1, "video": 0})),
            *("--mm-processor-cache-gb", "0"),  # images arrive processed,
            "--no-mm-device-do-normalize",  # and normalised
            *("--generation-config", "vllm"),  # ignore the model folder's own temperature and the like
        ]
        return [*super().words(port)[: -len(self.extra) or None], *added, *self.extra]

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "VLLM_SERVER_DEV_MODE": "1"}  # without it weights cannot be replaced

    def block(self, address: str) -> dict[str, Any]:
        arguments: dict[str, Any] = {"base_url": address}
        if self.channel == "nccl":
            arguments["weights"] = {"class_path": "medix.rollout.NCCLChannel"}
        return {"model": {"engine": {"class_path": "medix.rollout.ServedEngine", "init_args": arguments}}}
