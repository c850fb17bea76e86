"""Specs and command lines of small fits on several ranks."""

import csv
from pathlib import Path
from typing import Any

from medix.data.build import write_shards
from medix.data.manifest import DataStatement
from medix.policy.tiny import Architecture, build_tiny
from medix.types import Sample
from tests.support.runs import MANIFESTS, small_spec, write_spec

REWARDS = '''\
"""Totals without ties, so that every group has signal on every rank; and faults of one rank."""

import hashlib
import math
import os
import signal

import torch

from medix.distributed import gather
from medix.rewards import ComponentScores, RewardComponent
from pathlib import Path

from lightning.pytorch import Callback

from medix.modules.update import Update
from medix.types import Status


class HappensOnRank1(Callback):
    """A signal for one of two ranks, in a rollout, an update or a checkpoint; and an error outside of what the ranks do
    together."""

    signals = {
        "ddp-resumed": ("rollout", 2, signal.SIGTERM),
        "resumed": ("update", 1, signal.SIGTERM),
        "8bit-resumed": ("update", 1, signal.SIGTERM),
        "zero2-resumed": ("update", 0, signal.SIGTERM),
        "zero3-resumed": ("rollout", 0, signal.SIGUSR1),
        "ddp-late": ("checkpoint", 2, signal.SIGTERM),
    }

    def on_phase_start(self, trainer, module, name):
        mark = Path(trainer.default_root_dir) / "sent"
        phase, step, number = self.signals.get(mark.parent.name, ("", 0, 0))
        if os.environ.get("RANK") == "1" and (name, module.step) == (phase, step) and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), number)

    def on_save_checkpoint(self, trainer, module, checkpoint):
        self.on_phase_start(trainer, module, "checkpoint")

    def on_train_start(self, trainer, module):
        mark = Path(trainer.default_root_dir) / "killed-once"
        if os.environ.get("RANK") != "1" or mark.parent.name != "killed" or mark.exists():
            return
        exchange = module.buffer._exchange

        def until_step_3(shares):
            if module.step == 2 and any(place.rank != rank for rank, share in enumerate(shares) for place in share):
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return exchange(shares)

        module.buffer._exchange = until_step_3

    def on_validation_start(self, trainer, module):
        if os.environ.get("RANK") == "1" and Path(trainer.default_root_dir).name == "bad-row":
            raise ValueError("sample 't7' cannot be read")


class NothingToTrainOnRank1(Update):
    def trains(self, completion, advantage):
        return os.environ["RANK"] == "0"


class NotFiniteOnOneRank(Update):
    """On the last rank the loss of the first update is NaN, and of the second the gradient alone."""

    updates = 0

    def step(self, module, groups):
        self.updates += 1
        metrics = super().step(module, groups)
        whole = () if module.policy.sharding.gathers_weights else module.policy.parameters()
        assert len(set(gather(str((metrics, [float(weight.sum()) for weight in whole]))))) == 1
        return metrics

    def _accumulate(self, module, batch, rows, *further):
        if os.environ["RANK"] == str(int(os.environ["WORLD_SIZE"]) - 1):
            if self.updates == 1:
                rows = rows * math.nan
            if self.updates == 2:
                rows.register_hook(lambda gradient: gradient * math.nan)
        super()._accumulate(module, batch, rows, *further)


class Spread(RewardComponent):
    def score(self, batch):
        digests = [hashlib.sha256(text.encode()).hexdigest() for text in batch.completions]
        return ComponentScores.of([int(digest[:6], 16) / 2**24 for digest in digests])


class SpreadOnRank0(Spread):
    """Only rank 0 has groups with signal, half of which rank 1 trains."""

    def score(self, batch):
        if os.environ["RANK"] == "0":
            return super().score(batch)
        return ComponentScores.of([0.5] * len(batch.completions))


class UnscoredOnRank1(RewardComponent):
    def score(self, batch):
        rows = len(batch.completions)
        if os.environ["RANK"] == "0":
            return ComponentScores.of([0.5] * rows)
        unscored = torch.full((rows,), float("nan"), dtype=torch.float64)
        return ComponentScores(unscored, (Status.UNSCORED,) * rows, ("nobody judged it",) * rows)


class BrokenOnRank1(RewardComponent):
    def score(self, batch):
        if os.environ["RANK"] == "1":
            raise ValueError("this reward is broken")
        return ComponentScores.of([0.5] * len(batch.completions))
'''

EIGHT_BIT = "medix.modules.adamw_8bit.AdamW8bit"
DDP = ("--trainer.strategy", "ddp", "--trainer.devices", "2")
_STRATEGY = "--trainer.strategy"
SHARDED = (
    *(_STRATEGY, "lightning.pytorch.strategies.ModelParallelStrategy", "--trainer.devices", "2"),
    *(f"{_STRATEGY}.data_parallel_size", "2", f"{_STRATEGY}.tensor_parallel_size", "1"),
    *(f"{_STRATEGY}.save_distributed_checkpoint", "false"),
)

OFFLOADED = (f"{_STRATEGY}.offload_optimizer", "true", f"{_STRATEGY}.offload_parameters", "true")
"""Behind ``zero(3)``."""


def zero(stage: int, *words: str) -> tuple[str, ...]:
    """DeepSpeed ZeRO on two ranks; in stage 3 also small weights lie in parts, which DeepSpeed would keep gathered."""
    divided = (f"{_STRATEGY}.zero_optimization", "{stage3_param_persistence_threshold: 0}") if stage == 3 else ()
    named = (_STRATEGY, "medix.modules.ZeroStrategy", f"{_STRATEGY}.stage", str(stage))
    return (*named, *divided, "--trainer.devices", "2", *words)


def spec(
    folder: Path,
    name: str,
    steps: int,
    reward: str = "Spread",
    optimizer: str = "SGD",
    update: str = "medix.modules.update.Update",
    architecture: str = "qwen3_vl",
    **policy: Any,
) -> str:
    """Surplus groups (6 read, 4 trained a step), unequal micro-batches, and prompts without an image among them.

    Groups cost 56 to 65 tokens: of 60 at a time, some pass whole and some in parts.
    """
    made = small_spec(
        folder,
        folder / architecture,
        model={
            "policy": {"init_args": policy},
            "prompts_per_rollout": 6,
            "max_steps": steps,
            "optimizer": {
                "class_path": EIGHT_BIT if optimizer == "AdamW8bit" else f"torch.optim.{optimizer}",
                "init_args": {"lr": 0.05, "momentum": 0.5} if optimizer == "SGD" else {"lr": 0.001},
            },
        },
    )
    sizes = {"prompts_per_update": 2, "tokens_per_microbatch": 60}
    made["trainer"]["callbacks"].append({"class_path": "my_rewards.HappensOnRank1"})
    made["model"]["update"] = {"class_path": update, "init_args": sizes}
    (folder / "my_rewards.py").write_text(REWARDS)
    made["model"]["rewards"]["components"]["half"]["reward"]["class_path"] = f"my_rewards.{reward}"
    made["data"]["train"] = [str(MANIFESTS / "tiny_train-ct_scan.yaml"), str(folder / "texts")]
    return str(write_spec(folder, made, f"{name}.yaml"))


def fit(file: str, run: str, *words: str) -> list[str]:
    return ["fit", "--config", file, "--trainer.default_root_dir", run, *words]


def skipped_updates(run: Path) -> dict[int, float]:
    """As logged at each step."""
    with (run / "logs" / "version_0" / "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["train/skipped_updates"]]
    return {int(row["step"]): float(row["train/skipped_updates"]) for row in rows}


def prepare(folder: Path, *architectures: Architecture) -> None:
    """Tiny policies of Qwen3-VL and further architectures, and prompts without images."""
    made: tuple[Architecture, ...] = ("qwen3_vl", *architectures)
    for architecture in made:
        build_tiny(architecture, folder / architecture)
    texts = [Sample(f"t{i}", f"What is {i} and {i * i}, said at some length?", str(i), None) for i in range(8)]
    write_shards(texts, folder / "texts", DataStatement("texts", "CC0-1.0", "no persons"))
