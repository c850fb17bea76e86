"""One run of ``python -m medix fit``, as users start it, with a callback that validates beside the clock."""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer
from torch import nn

from medix.callbacks.watched import watched
from medix.modules.group_rl import GroupRLModule
from medix.policy.vision_language import VisionLanguagePolicy
from medix.yaml_text import write_yaml
from tools.bench_learning.held_out import HeldOut, Watch
from tools.bench_learning.task import LEARNING_RATE, ROOT, TEMPLATE, Task, named

VARIANTS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "medix": {},
        "subset": {"model": {"subset": {"class_path": "medix.advantages.MaxVarianceSubset", "init_args": {"size": 4}}}},
        "close": {"model": {"close_after_rollouts": 1}},
        "spread": {"data": {"selector": {"class_path": "medix.data.SpreadSelector"}}},
        "all_groups": {"model": {"group_filter": {"class_path": "medix.rollout.KeepScored"}}},
    }
)
"""What each side of ours changes in the spec."""


class HeldOutReward(Callback):
    """Writes the curve of a run.

    Args:
        task: name of the task.
        folder: of the task.
        file: for the points.
    """

    def __init__(self, task: str, folder: str, file: str) -> None:
        self.task = named(task)
        self.folder = Path(folder)
        self.file = Path(file)
        self.completions = 0
        self.watch: Watch | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:  # noqa: ARG002
        """Measure the policy that training starts from; the clock starts."""
        held_out = HeldOut(self.task, self.folder / "policy", self.folder / "val")
        self.watch = Watch(held_out, self.file, self.task.every, watched(pl_module).max_steps)
        self.watch.start(_model(pl_module))

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *given: Any) -> None:  # noqa: ARG002
        """Count, and validate after a step."""
        finished = watched(pl_module).finished_step
        if finished is None or self.watch is None:
            return
        self.completions += sum(len(group.scores) for group in finished.scored)
        self.watch.finished(finished.step, self.completions, _model(pl_module))


def _model(module: LightningModule) -> nn.Module:
    assert isinstance(module, GroupRLModule)
    assert isinstance(module.policy, VisionLanguagePolicy)
    found: nn.Module = module.policy.hugging_face
    return found


def spec(task: Task, folder: Path, run: Path, seed: int) -> dict[str, Any]:
    """What stands over ``specs/demo.yaml``: the callbacks of the demo without its validation and its report."""
    watch = {"task": task.name, "folder": str(folder), "file": str(run / "curve.jsonl")}
    callbacks: list[dict[str, Any]] = [
        {"class_path": f"medix.callbacks.{name}"}
        for name in ("ShowProgress", "LogRewards", "WatchSignal", "RecordCompletions")
    ]
    return {
        "trainer": {
            "default_root_dir": str(run),
            "callbacks": [
                *callbacks,
                {"class_path": "medix.callbacks.SaveCheckpoint", "init_args": {"every_n_steps": 20, "monitor": None}},
                {"class_path": "tools.bench_learning.ours.HeldOutReward", "init_args": watch},
            ],
        },
        "model": {
            "policy": {"init_args": {"name": str(folder / "policy")}},
            "engine": {
                "init_args": {
                    "sampling": {
                        "completions_per_prompt": task.group_size,
                        "max_completion_tokens": task.max_tokens,
                        "seed": seed,
                    }
                }
            },
            "rewards": f"parts/{task.rewards}.yaml",
            "update": {"prompts_per_update": task.prompts},
            "optimizer": {
                "class_path": "torch.optim.AdamW",
                "init_args": {"lr": LEARNING_RATE, "weight_decay": 0.0},
            },
            "prompting": {"template": TEMPLATE},
            "prompts_per_step": task.prompts,
            "max_steps": task.steps,
        },
        "data": {"train": [str(folder / "train")], "val": [str(folder / "val")], "seed": seed},
    }


def words(task: Task, folder: Path, run: Path, seed: int, side: str) -> list[str]:
    """Words after ``python -m medix`` that start a run; its specs are written into its folder."""
    found = ["fit", "--config", str(ROOT / "specs" / "demo.yaml")]
    for name, content in {"bench": spec(task, folder, run, seed), "variant": dict(VARIANTS[side])}.items():
        if content:
            (run / f"{name}.yaml").write_text(write_yaml(content), encoding="utf-8")
            found += ["--config", str(run / f"{name}.yaml")]
    return found


def train(task: Task, folder: Path, run: Path, seed: int, side: str) -> None:
    """Start the run and wait for its end.

    Raises:
        subprocess.CalledProcessError: it failed; its output is in ``log.txt`` of the folder.
    """
    command = [sys.executable, "-m", "medix", *words(task, folder, run, seed, side)]
    with (run / "log.txt").open("w") as log:
        subprocess.run(command, check=True, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
