"""Steps of ``trl.GRPOTrainer`` in its fastest configuration on a CPU."""

import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")

import torch
from datasets import Dataset
from transformers import AutoModelForImageTextToText, AutoProcessor, PrinterCallback, TrainerCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from medix.data.prompting import Prompting
from medix.rewards.adapters.trl import TRLReward
from tools.bench_step import workload
from tools.bench_step.seconds import Seconds
from tools.bench_step.workload import Shape

OPTIONS: dict[str, Any] = {
    "bf16": False,  # slow on a CPU without bf16 instructions, and the other sides train in float32
    "gradient_checkpointing": False,
    "beta": 0.0,  # no reference policy
    "num_iterations": 1,  # with one micro-batch a step, old log-probabilities need no pass
    "gradient_accumulation_steps": 1,
    "loss_type": "dapo",
    "epsilon_high": 0.28,
    "log_completions": False,
    "dataloader_num_workers": 0,
    "dataloader_pin_memory": False,
    "optim": "adamw_torch",
    "remove_unused_columns": False,
}
"""Listed in BENCHMARKS.md. Attention is SDPA; generation is ``generate`` of Hugging Face with its dynamic cache."""


class _Clock(TrainerCallback):
    """Records the time at the end of a step."""

    def __init__(self) -> None:
        self.stop = 0.0

    def on_step_end(self, *arguments: Any, **named: Any) -> None:  # noqa: ARG002  # the trainer's signature
        """Stop."""
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()
        self.stop = time.perf_counter()


class TimedTrainer(GRPOTrainer):
    """Times the parts of a step."""

    seconds: dict[str, float]
    start: float
    passed: tuple[tuple[Any, ...], dict[str, Any]]

    def get_batch_samples(self, *arguments: Any, **named: Any) -> Any:
        """Load a batch, which is the start of a step."""
        self.start, self.seconds = time.perf_counter(), {}
        return self._timed("load", super().get_batch_samples, *arguments, **named)

    def _timed(self, name: str, work: Any, *arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        result = work(*arguments, **named)
        self.seconds[name] = time.perf_counter() - start
        return result

    def _generate(self, *arguments: Any, **named: Any) -> Any:
        return self._timed("generate", super()._generate, *arguments, **named)

    def _calculate_rewards(self, *arguments: Any, **named: Any) -> Any:
        return self._timed("reward", super()._calculate_rewards, *arguments, **named)

    def _prepare_inputs(self, *arguments: Any, **named: Any) -> Any:
        return self._timed("prepare", super()._prepare_inputs, *arguments, **named)

    def _get_per_token_logps_and_entropies(self, *arguments: Any, **named: Any) -> Any:
        self.passed = (arguments, named)
        return super()._get_per_token_logps_and_entropies(*arguments, **named)

    def old(self) -> float:
        """Seconds of a pass without gradient over the rows of the last step."""
        arguments, named = self.passed
        start = time.perf_counter()
        with torch.no_grad():
            super()._get_per_token_logps_and_entropies(*arguments, **{**named, "compute_entropy": False})
        return time.perf_counter() - start


class TRLStep:
    """Steps of TRL on the same model, prompts, lengths and rewards.

    Args:
        folder: folder of the model.
        shape: shape of the step.
        output: folder for files of TRL.
        model: read from the folder, in float32, if not given.
        options: over ``OPTIONS``.
    """

    def __init__(self, folder: Path, shape: Shape, output: Path, model: Any = None, **options: Any) -> None:
        processor = AutoProcessor.from_pretrained(folder, padding_side="left")  # type: ignore[no-untyped-call]
        self.clock = _Clock()
        rows = shape.prompts * shape.group_size
        self.trainer = TimedTrainer(
            model=model
            or AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32, attn_implementation="sdpa"),
            reward_funcs=TRLReward(workload.suite(), modality="modality"),
            args=GRPOConfig(
                output_dir=str(output), report_to="none", disable_tqdm=True, save_strategy="no",
                logging_strategy="no", max_steps=1, learning_rate=workload.LEARNING_RATE,
                temperature=workload.TEMPERATURE, num_generations=shape.group_size, per_device_train_batch_size=rows,
                max_completion_length=shape.completion_tokens,
                generation_kwargs={"min_new_tokens": shape.completion_tokens},
                **({"use_cpu": True} | OPTIONS | options),
            ),
            train_dataset=_dataset(shape),
            processing_class=processor,
            callbacks=[self.clock],
        )  # fmt: skip
        self.trainer.remove_callback(PrinterCallback)

    def step(self) -> Seconds:
        """One step and its times."""
        trainer = self.trainer
        trainer.train()
        total = self.clock.stop - trainer.start
        seconds = trainer.seconds
        update = total - seconds["load"] - seconds["prepare"]
        return Seconds(seconds["generate"], seconds["reward"], update=update, step=total)

    def old(self) -> float:
        """Seconds of a pass without gradient over the rows of the last step."""
        return float(self.trainer.old())

    @property
    def lengths(self) -> tuple[int, int]:
        """Tokens of the longest prompt and of the longest completion of the last step, padding included."""
        (_, ids, *_), named = self.trainer.passed
        kept = named.get("logits_to_keep", self.trainer.passed[0][3])
        return ids.shape[1] - kept, kept


def _dataset(shape: Shape) -> Dataset:
    rows = []
    for sample in workload.samples(shape):
        (message,) = Prompting(template="short").messages(sample)
        rows.append(
            {
                "prompt": [message],
                "images": workload.pictures(sample),
                "solution": sample.reference,
                "problem": sample.question,
                "modality": sample.modality,
            }
        )
    return Dataset.from_list(rows)
