"""Steps of Qwen3-VL shapes beside the plain pass and TRL, with their peak memory."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar, Literal

import torch

from medix.policy.lora import LoRA
from medix.policy.tiny import Architecture
from tools.accelerator_check.part import Case, Numbers, Part
from tools.accelerator_check.shapes import UntrainedPolicy, untrained, write
from tools.bench_step.ours import MedixStep
from tools.bench_step.seconds import Seconds
from tools.bench_step.workload import Shape

SHAPE = Shape("P≈1000 G=8 T=128", (31, 31), 26, 8, 128, 2)
TINY = Shape("tiny", (2, 2), 4, 2, 4, 1)


class Steps(Part):
    """A step that compiles, allocates and runs the self-check, and a timed one of each side, under bf16-mixed.

    Attributes:
        family: of the model.
        size: name of its shape.
        lora: trained adapters of bfloat16 weights; None trains all weights, kept in float32.
    """

    family: ClassVar[Architecture] = "qwen3_vl"
    size: ClassVar[str]
    lora: ClassVar[LoRA | None] = None

    def cases(self) -> Iterator[Case]:
        """medix with shared prompts first."""
        shared, plain = (partial(self._medix, shared_prefix=given) for given in (True, False))
        model = f"{'tiny' if self.tiny else self.size} {'full' if self.lora is None else 'LoRA'}"
        sides: dict[str, Callable[[Shape], Seconds]] = {"shared": shared, "plain": plain, **self._peers()}
        for name, side in sides.items():
            yield f"{model}, {name}", partial(self._measure, side)

    def _peers(self) -> dict[str, Callable[[Shape], Seconds]]:
        return {"TRL": self._trl}

    @property
    def _dtype(self) -> Literal["float32", "bfloat16"]:
        return "float32" if self.lora is None else "bfloat16"

    def _measure(self, side: Callable[[Shape], Seconds]) -> Numbers:
        shape, folder = TINY if self.tiny else SHAPE, self.folder / "model"
        if not folder.exists():
            write(folder, self.family, None if self.tiny else self.size)
        taken = side(shape)
        numbers: Numbers = {name: round(getattr(taken, name), 3) for name in ("generate", "update", "step")}
        numbers["tokens_per_s"] = round(shape.prompts * shape.group_size * shape.completion_tokens / taken.step, 1)
        if self.device != "cpu":
            numbers["peak_gigabytes"] = round(torch.accelerator.max_memory_allocated() / 1e9, 2)
        return numbers

    def _medix(self, shape: Shape, *, shared_prefix: bool) -> Seconds:
        trainer = {"accelerator": "cpu" if self.device == "cpu" else "auto", "devices": 1, "precision": "bf16-mixed"}
        step = MedixStep(
            self.folder / "model", shape, shared_prefix=shared_prefix, policy=UntrainedPolicy, trainer=trainer,
            gradient_checkpointing=True, lora=self.lora, dtype=self._dtype,
        )  # fmt: skip
        return step.step(batches=2)  # in one run: after it, Lightning moves the weights to the CPU

    def _trl(self, shape: Shape) -> Seconds:
        from tools.bench_step.peer import TRLStep

        folder = self.folder / "model"
        model = untrained(str(folder), self._dtype, "sdpa")
        if self.lora is not None:
            model = self.lora.apply(model)
        step = TRLStep(
            folder, shape, self.folder / "trl", model=model, bf16=True, gradient_checkpointing=True,
            use_cpu=self.device == "cpu",
        )  # fmt: skip
        step.step()
        if self.device != "cpu":
            torch.accelerator.reset_peak_memory_stats()
        return step.step()


class Full2B(Steps):
    """All weights of the 2B shape."""

    size = "2B"


class LoRA8B(Steps):
    """Adapters of the 8B shape."""

    size = "8B"
    lora = LoRA()


class Experts(Steps):
    """Adapters beside experts, in a quarter of the layers of 30B-A3B."""

    family = "qwen3_vl_moe"
    size = "30B-A3B, 12 of 48 layers"
    lora = LoRA()

    def _peers(self) -> dict[str, Callable[[Shape], Seconds]]:
        return {}  # the experts of both are those of transformers
