"""Training modules on the tiny policy, with a rule as their reward, and fits of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer

from medix.data.datamodule import ShardDataModule
from medix.data.mixture import Mixture
from medix.data.prompting import Prompting
from medix.losses.dapo import DAPOLoss
from medix.modules.group_rl import GroupRLModule
from medix.modules.record import StepRecord
from medix.modules.update import Update
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rewards.base import ComponentScores, RewardBatch, RewardComponent, Unscored
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from tests.support.runs import MANIFESTS

Rule = Callable[[str], "float | Unscored | None"]


class Ruled(RewardComponent):
    """A value for each completion's text."""

    def __init__(self, rule: Rule) -> None:
        super().__init__()
        self.rule = rule

    def score(self, batch: RewardBatch) -> ComponentScores:
        return ComponentScores.of([self.rule(text) for text in batch.completions])


def letters(text: str) -> float:
    return sum(c < "m" for c in text) % 4 / 3


class Keep(Callback):
    """Keeps the records of finished steps and counts passes of the policy."""

    def __init__(self) -> None:
        self.records: list[StepRecord] = []

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, *rest: Any) -> None:
        if pl_module.finished_step is not None:
            self.records.append(pl_module.finished_step)


def make(folder: Path, rule: Rule = letters, lr: float = 1e-3, **changes: Any) -> GroupRLModule:
    arguments: dict[str, Any] = {
        "policy": VisionLanguagePolicy(str(folder)),
        "engine": LocalEngine(Sampling(completions_per_prompt=3, max_completion_tokens=5)),
        "rewards": RewardSuite({"ruled": Weighted(Ruled(rule), 1.0)}),
        "loss": DAPOLoss(),
        "update": Update(prompts_per_update=2),
        "optimizer": lambda parameters: torch.optim.SGD(parameters, lr=lr),
        "prompting": Prompting(template="short"),
        "prompts_per_step": 4,
        "max_steps": 1,
    }
    return GroupRLModule(**{**arguments, **changes})


def fit(module: GroupRLModule, folder: Path, **options: Any) -> tuple[list[StepRecord], Trainer]:
    keep = Keep()
    trainer = Trainer(
        default_root_dir=folder, accelerator="cpu", max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0, callbacks=[keep], **options,
    )  # fmt: skip
    train = [str(MANIFESTS / "tiny_train-*.yaml")]
    data = ShardDataModule(train=train, mixture=Mixture(total=20), on_long="skip")
    trainer.fit(module, datamodule=data)
    return keep.records, trainer


def weights(module: GroupRLModule) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.policy.state_dict().items()}
