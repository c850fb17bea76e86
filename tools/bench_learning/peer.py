"""One run of ``trl.GRPOTrainer`` in its best settings here, in a process of its own.

python -m tools.bench_learning.peer TASK FOLDER RUN SEED
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

from medix.data.manifest import read_manifests
from medix.data.prompting import Prompting
from medix.data.stream import Stream
from tools.bench_learning.held_out import HeldOut, Watch
from tools.bench_learning.task import LEARNING_RATE, ROOT, TEMPLATE, Task, named

OPTIONS: dict[str, Any] = {
    "learning_rate": LEARNING_RATE,
    "lr_scheduler_type": "constant",
    "weight_decay": 0.0,
    "max_grad_norm": 1.0,
    "steps_per_generation": 1,
    "scale_rewards": "group",
    "mask_truncated_completions": False,  # both train on truncated completions
    "temperature": 1.0,
    "epsilon": 0.2,
}
"""Beside those of ``tools.bench_step``; the tiny policy has no dropout."""


def train(task: Task, folder: Path, run: Path, seed: int) -> None:
    """Start the run and wait for its end.

    Raises:
        subprocess.CalledProcessError: it failed; its output is in ``log.txt`` of the folder.
    """
    words = [sys.executable, "-m", "tools.bench_learning.peer", task.name, str(folder), str(run), str(seed)]
    with (run / "log.txt").open("w") as log:
        subprocess.run(words, check=True, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)


def rows(folder: Path) -> list[dict[str, Any]]:
    """The training data as columns, pictures encoded as they are on the shards."""
    stream, prompting = Stream(read_manifests([str(folder / "train")]), seed=1), Prompting(template=TEMPLATE)
    return [
        {
            "prompt": prompting.messages(sample),
            "images": [{"bytes": image, "path": None} for image in sample.images],
            "solution": sample.reference,
            "problem": sample.question,
            "modality": sample.modality,
            "aliases": list(sample.aliases),
        }
        for sample in (stream[number] for number in range(len(stream)))
    ]


def trainer(task: Task, folder: Path, run: Path, seed: int) -> Any:
    """A trainer that writes its curve into the folder of the run."""
    import torch
    from datasets import Dataset, Image, List
    from transformers import AutoModelForImageTextToText, AutoProcessor, PrinterCallback, TrainerCallback
    from trl.trainer.grpo_config import GRPOConfig
    from trl.trainer.grpo_trainer import GRPOTrainer

    from medix.rewards.adapters.trl import TRLReward
    from medix.rewards.suite import RewardSuite
    from tools.bench_step.peer import OPTIONS as FASTEST

    watch = Watch(HeldOut(task, folder / "policy", folder / "val"), run / "curve.jsonl", task.every, task.steps)
    batch = task.prompts * task.group_size

    class Watched(TrainerCallback):
        """Passes the events on."""

        def on_train_begin(self, args: Any, state: Any, control: Any, **named: Any) -> None:  # noqa: ARG002
            watch.start(named["model"])

        def on_step_end(self, args: Any, state: Any, control: Any, **named: Any) -> None:  # noqa: ARG002
            watch.finished(state.global_step, state.global_step * batch, named["model"])

    model = AutoModelForImageTextToText.from_pretrained(
        folder / "policy", dtype=torch.float32, attn_implementation="sdpa"
    )
    processor = AutoProcessor.from_pretrained(folder / "policy", padding_side="left")  # type: ignore[no-untyped-call]
    found = GRPOTrainer(
        model=model,
        reward_funcs=TRLReward(
            RewardSuite.from_spec(task.rewards), modality="modality", tokenizer=processor,
            end_token_ids=watch.held_out.policy.eos_token_ids,
        ),
        args=GRPOConfig(
            output_dir=str(run), report_to="none", disable_tqdm=True, save_strategy="no", logging_strategy="no",
            use_cpu=True, seed=seed, max_steps=task.steps, num_generations=task.group_size,
            per_device_train_batch_size=batch, max_completion_length=task.max_tokens, **(FASTEST | OPTIONS),
        ),
        train_dataset=Dataset.from_list(rows(folder)).cast_column("images", List(Image())),
        processing_class=processor,
        callbacks=[Watched()],
    )  # fmt: skip
    found.remove_callback(PrinterCallback)
    return found


if __name__ == "__main__":
    name, folder, run, seed = sys.argv[1:]
    trainer(named(name), Path(folder), Path(run), int(seed)).train()
