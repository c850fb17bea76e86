"""Sizes of the largest pass."""

from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer

from medix.callbacks.longest_groups import groups_of_a_pass, longest, training_group
from medix.callbacks.pass_memory import PassMemory
from tests.callbacks.test_dry_run import fit


def test_parts_of_a_group_count_their_prompt_each(tmp_path: Path, tiny_policy: Path) -> None:
    class Noted(Callback):
        memory: PassMemory

        def on_train_start(self, trainer: Trainer, pl_module: Any) -> None:
            prompt = longest(trainer.datamodule.loaders["train"].dataset, 20)  # type: ignore[attr-defined]
            assert prompt is not None
            whole = training_group(pl_module, prompt)
            self.memory = PassMemory.of(pl_module, groups_of_a_pass(pl_module, whole))

    noted = Noted()
    fit(tmp_path, tiny_policy, noted, tokens_per_microbatch=1)
    assert noted.memory.groups == "1 group"
    assert noted.memory.largest == noted.memory.prompt + 6
    assert noted.memory.state == 2 * noted.memory.gradients == 2 * noted.memory.weights > 0
