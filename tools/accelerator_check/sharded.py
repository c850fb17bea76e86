"""Sharded weights on one device, against the same run without sharding."""

import importlib.util
import json
from collections.abc import Iterator
from functools import cached_property, partial

import torch

from tools.accelerator_check.demo import Demo, difference
from tools.accelerator_check.part import AbsentError, Case, Numbers, Part

STRATEGIES = {
    "FSDP2": json.dumps(
        {
            "class_path": "lightning.pytorch.strategies.ModelParallelStrategy",
            "init_args": {"data_parallel_size": 1, "tensor_parallel_size": 1, "save_distributed_checkpoint": False},
        }
    ),
    "ZeRO-2": "deepspeed_stage_2",
    "ZeRO-3": "deepspeed_stage_3",
    "ZeRO-3 offloaded": "deepspeed_stage_3_offload",
}
ALLOWED = 1e-5
"""Largest difference of a weight after one step, which moves it by 2e-4, on a CPU; an accelerator may sample other
tokens."""


class Sharded(Part):
    """One step of the demo under each strategy."""

    def cases(self) -> Iterator[Case]:
        """All strategies."""
        for name in STRATEGIES:
            yield name, partial(self._compare, name)

    @cached_property
    def _demo(self) -> Demo:
        return Demo(self.folder, self.device, self.tiny)

    @cached_property
    def _alone(self) -> dict[str, torch.Tensor]:
        return self._demo.fit("alone", 1)

    def _compare(self, name: str) -> Numbers:
        if name.startswith("ZeRO") and importlib.util.find_spec("deepspeed") is None:
            raise AbsentError("No module named 'deepspeed'")
        sharded = self._demo.fit(name.replace(" ", "-"), 1, "--trainer.strategy", STRATEGIES[name])
        found = difference(self._alone, sharded)
        if self.device == "cpu" and not found["largest"] <= ALLOWED:
            raise RuntimeError(f"weights differ by up to {found['largest']:.2g} from the run without sharding")
        return found
