"""A colocated engine without vLLM, for fits on several ranks: keeps the adapters it gets, and makes completions up."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from medix.rollout.colocated import ColocatedEngine, _Collected
from medix.rollout.vllm_core import CoreSettings, VLLMCore


class AdapterEngine(ColocatedEngine):
    """Writes ``adapter-RANK-NUMBER.pt`` into the working directory."""

    def _new_core(self, settings: CoreSettings) -> VLLMCore:
        return _Core(settings, self._thread.heartbeat)

    def _ask(self, core: VLLMCore, collected: _Collected) -> None:
        for name in collected.prompts:
            for index in range(collected.asked.sampling.completions_per_prompt):
                collected.add(name, index, [40, 41, 42 + index], [-0.5] * 3, "stop")


class _Core(VLLMCore):
    def start(self) -> None:
        pass

    def wake(self, part: str) -> None:
        pass

    def load(self, weights: Iterator[tuple[str, Tensor]]) -> None:
        for _ in weights:  # every rank must read all of them
            pass

    def load_adapter(self, settings: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
        self._adapters += 1
        torch.save(dict(weights), Path(f"adapter-{os.environ['RANK']}-{self._adapters}.pt"))

    def close(self) -> None:
        pass
