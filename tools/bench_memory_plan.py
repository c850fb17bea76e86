"""The memory plan of ``medix doctor``, compared with measured peaks of updates of small models.

    python -m tools.bench_memory_plan --json FILE

Every case runs one optimizer call of two micro-batches on a CPU and follows the bytes of all tensors from operation to
operation, so that the peak is exact and repeatable; what kernels allocate for themselves is not seen, and neither are
ranks that share weights. Passes and the optimizer step have a peak each. Prompts, completions and micro-batches have
the full length that the plan assumes. Policies are Qwen3-VL with random weights; the second update is measured, whose
optimizer has its state.
"""

import argparse
import json
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.pytorch.cli import OptimizerCallable
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from medix.data.prompting import Prompting
from medix.doctor.live_bytes import LiveBytes
from medix.doctor.memory import PASSES, MemoryEstimate, Phase
from medix.doctor.model_size import ModelSize
from medix.doctor.plan import Plan
from medix.doctor.rank import Rank
from medix.doctor.rank_memory import device_memory
from medix.losses.dapo import DAPOLoss
from medix.modules.adamw_8bit import AdamW8bit
from medix.modules.group_rl import GroupRLModule
from medix.modules.training_group import TrainingGroup
from medix.modules.update import Update
from medix.policy.lora import LoRA
from medix.policy.tiny import Architecture, TinySize, build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.types import RolloutGroup
from tools.accelerator_check.groups import groups
from tools.bench_step import workload
from tools.bench_step.workload import Shape

PARTS = ("weights", "gradients", "optimizer state", "activations", "logits")
SHAPE = Shape("", (16, 16), 8, 4, 64, 2)


@dataclass(frozen=True)
class Size:
    """A model.

    Attributes:
        name: for the table.
        architecture: dense or with experts.
        tiny: its widths.
    """

    name: str
    architecture: Architecture
    tiny: TinySize


_COMMON: dict[str, Any] = {
    "vision_depth": 3, "image_side": 1024, "vocabulary": 1024, "initializer_range": 0.02, "context": 4096,
}  # fmt: skip
SIZES = (
    Size("dense, 3 x 128", "qwen3_vl", TinySize(128, 3, 4, 384, 64, **_COMMON)),
    Size("experts, 3 x 128", "qwen3_vl_moe", TinySize(128, 3, 4, 96, 64, experts=8, **_COMMON)),
    Size("dense, 4 x 256", "qwen3_vl", TinySize(256, 4, 4, 768, 128, **_COMMON)),
    Size("dense, 6 x 384", "qwen3_vl", TinySize(384, 6, 6, 1152, 192, **_COMMON)),
)


_adamw = partial(torch.optim.AdamW, lr=1e-6)


@dataclass(frozen=True)
class Kind:
    """How a model is trained.

    Attributes:
        name: for the table.
        precision: of the trainer.
        optimizer: creates the optimizer.
        policy: arguments of the policy.
        in_chunks: whether a micro-batch holds half of a group.
    """

    name: str
    precision: Literal["32-true", "bf16-mixed", "bf16-true"] = "32-true"
    optimizer: OptimizerCallable = _adamw
    policy: dict[str, Any] = field(default_factory=dict)
    in_chunks: bool = False


KINDS = (
    Kind("float32"),
    Kind("bf16-mixed", "bf16-mixed"),
    Kind("bf16-true, 8 bits", "bf16-true", partial(AdamW8bit, lr=1e-6)),
    Kind("adapters", policy={"lora": LoRA(rank=8)}),
    Kind("chunks", in_chunks=True),
)


@dataclass(frozen=True)
class Row:
    """One case. All sizes in bytes.

    Attributes:
        size: name of the model.
        kind: name of the kind.
        checkpointing: whether ``gradient_checkpointing`` is on.
        predicted: of each part at the peak of the passes, logits there being activations; of logits alone; of
            ``passes`` and of the optimizer ``step``.
        measured: the same.
    """

    size: str
    kind: str
    checkpointing: bool
    predicted: dict[str, float]
    measured: dict[str, float]

    def error(self, part: str) -> float:
        """Prediction over measurement, minus 1; NaN if there was nothing to measure."""
        return self.predicted[part] / self.measured[part] - 1 if self.measured[part] else float("nan")


class Trainee:
    """What ``Update`` asks of a module in a trainer, without a trainer."""

    def __init__(self, module: GroupRLModule, optimizer: torch.optim.Optimizer) -> None:
        self.policy, self.loss, self.engine = module.policy, module.loss, module.engine
        self.device = torch.device("cpu")
        self._optimizer = optimizer

    def optimizers(self) -> torch.optim.Optimizer:
        """The optimizer."""
        return self._optimizer

    def manual_backward(self, loss: Tensor) -> None:
        """As Lightning's, on one device."""
        loss.backward()  # type: ignore[no-untyped-call]


class Watched(LiveBytes):  # type: ignore[no-untyped-call]  # of its subclass hook
    """Peaks of passes and step, and the parts of the former.

    Args:
        policy: what is trained.
        optimizer: of its weights.

    Attributes:
        found: parts at the last peak, and the most logits so far.
    """

    def __init__(self, policy: VisionLanguagePolicy, optimizer: torch.optim.Optimizer) -> None:
        super().__init__(self._note)
        self.found: dict[str, float] = {"logits": 0.0}
        self._weights = list(policy.parameters())
        self._state = [value for state in optimizer.state.values() for value in state.values()]
        self._words = int(policy.config.get_text_config().vocab_size)
        self.add([*self._weights, *policy.buffers(), *self._state])

    def add(self, tensors: Iterable[Tensor]) -> None:
        """Count tensors, and logits apart."""
        made = list(tensors)
        super().add(made)
        if any(tensor.ndim == 2 and tensor.shape[1] == self._words for tensor in made):
            alive = self.bytes_of(lambda shape: len(shape) == 2 and shape[1] == self._words)
            self.found["logits"] = max(self.found["logits"], alive)

    def _note(self) -> None:
        gradients = [weight.grad for weight in self._weights if weight.grad is not None]
        kept = zip(PARTS, map(_bytes, (self._weights, gradients, self._state)), strict=False)
        self.found |= {**dict(kept), "passes": float(self.peak)}
        self.found["activations"] = self.peak - sum(self.found[part] for part in PARTS[:3])


def _bytes(tensors: Any) -> float:
    return float(sum(tensor.nbytes for tensor in tensors))


def case(folder: Path, size: Size, kind: Kind, checkpointing: bool) -> Row:
    """Predict and measure.

    Args:
        folder: of the model.
        size: its name is noted.
        kind: precision, optimizer, adapters and micro-batches.
        checkpointing: of the policy.
    """
    dtype: Literal["float32", "bfloat16"] = "bfloat16" if kind.precision == "bf16-true" else "float32"
    policy = VisionLanguagePolicy(
        str(folder), dtype=dtype, gradient_checkpointing=checkpointing, every_parameter=True, **kind.policy
    )
    policy.load()
    rollouts = groups(policy, SHAPE)
    module = _module(policy, kind, rollouts)
    rank = Rank(module, policy, ModelSize.of(policy), Plan(False, 1, 1, (), "single", kind.precision))
    return Row(size.name, kind.name, checkpointing, _predicted(device_memory(rank)), _measured(module, kind, rollouts))


def _module(policy: VisionLanguagePolicy, kind: Kind, rollouts: Sequence[RolloutGroup]) -> GroupRLModule:
    prompt = len(rollouts[0].prompt.token_ids)
    completions = SHAPE.group_size * SHAPE.completion_tokens // (2 if kind.in_chunks else 1)
    return GroupRLModule(
        policy=policy,
        engine=LocalEngine(Sampling(SHAPE.group_size, SHAPE.completion_tokens)),
        rewards=workload.suite(),
        loss=DAPOLoss(),
        update=Update(prompts_per_update=SHAPE.prompts, tokens_per_microbatch=prompt + completions),
        optimizer=kind.optimizer,
        prompting=Prompting(max_prompt_tokens=prompt),
        prompts_per_step=SHAPE.prompts,
        max_steps=1,
    )


def _predicted(estimate: MemoryEstimate) -> dict[str, float]:
    """Parts at the largest of the passes; what has no part of its own is an activation. Without the runtime."""
    peak = max(PASSES, key=estimate.total)
    found = dict.fromkeys(PARTS, 0.0)
    for one in estimate.during(peak):
        if one.name != "runtime":
            found[one.name if one.name in PARTS[:3] else "activations"] += one.bytes
    found["logits"] = next(one.bytes for one in estimate.during(Phase.LOSS) if one.name == "logits")
    runtime = sum(one.bytes for one in estimate.allocations if one.name == "runtime")
    return found | {"passes": estimate.total(peak) - runtime, "step": estimate.total(Phase.STEP) - runtime}


def _measured(module: GroupRLModule, kind: Kind, rollouts: Sequence[RolloutGroup]) -> dict[str, float]:
    policy = module.policy
    assert isinstance(policy, VisionLanguagePolicy)
    optimizer = kind.optimizer([weight for weight in policy.parameters() if weight.requires_grad])
    trainee, update = Trainee(module, optimizer), module.update
    advantages = tuple(1.0 if number % 2 else -1.0 for number in range(SHAPE.group_size))
    given = [TrainingGroup(rollout, advantages) for rollout in rollouts]

    def autocast() -> Any:
        return torch.autocast("cpu", torch.bfloat16) if kind.precision == "bf16-mixed" else nullcontext()

    with autocast():
        update.step(trainee, given)
    with Watched(policy, optimizer) as watched:
        with autocast():
            update.accumulate(trainee, given)
        passes = dict(watched.found)
        watched.peak = 0
        policy.sharding.step(optimizer, policy.parameters(), update.max_grad_norm)
    return passes | {"step": float(watched.peak)}


def run(sizes: Sequence[Size], kinds: Sequence[Kind]) -> list[Row]:
    """All kinds of all sizes, without and with checkpointing."""
    torch.manual_seed(0)
    rows = []
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, size in enumerate(track(sizes, "sizes", transient=True)):
            folder = build_tiny(size.architecture, Path(name) / str(number), size.tiny)
            rows += [case(folder, size, kind, checkpointing) for kind in kinds for checkpointing in (False, True)]
    return rows


def show(rows: Sequence[Row]) -> None:
    """Print a table."""
    table = Table(title="Predicted and measured peaks in MB, and errors of the parts of the passes")
    for column in ("model", "kind", "checkpointing", "passes", "", "step", "", *PARTS[1:]):
        table.add_column(column, justify="left" if column in ("model", "kind") else "right")
    for row in rows:
        peaks = []
        for part in ("passes", "step"):
            peaks += [
                f"{row.predicted[part] / 2**20:.1f} / {row.measured[part] / 2**20:.1f}",
                f"{row.error(part):+.1%}",
            ]
        parts = [f"{row.error(part):+.1%}" if row.measured[part] else "-" for part in PARTS[1:]]
        table.add_row(row.size, row.kind, "on" if row.checkpointing else "off", *peaks, *parts)
    Console(width=160).print(table)
    for part in ("passes", "step"):
        errors = [row.error(part) for row in rows]
        print(f"{part}: {min(errors):+.1%} to {max(errors):+.1%} in {len(rows)} cases")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m tools.bench_memory_plan", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    given = parser.parse_args(argv)
    rows = run(SIZES, KINDS)
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    show(rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
