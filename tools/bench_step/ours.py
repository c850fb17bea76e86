"""Steps of ``GroupRLModule`` with a Lightning trainer, as in ``medix fit``."""

import logging
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader, IterableDataset

from medix.data.prompting import Prompting
from medix.losses.dapo import DAPOLoss
from medix.modules.group_rl import GroupRLModule
from medix.modules.update import Update
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.engine import Sampling
from medix.rollout.local import LocalEngine
from medix.rollout.signal import KeepScored
from medix.types import PromptBatch, RolloutGroup, Sample
from tools.bench_step import workload
from tools.bench_step.seconds import Seconds
from tools.bench_step.workload import Shape


class EndlessPolicy(VisionLanguagePolicy):
    """A policy that never ends a completion, so that all have the maximum length."""

    eos_token_ids: tuple[int, ...] = ()


class Rendered(IterableDataset[PromptBatch]):
    """Batches of the same prompts, rendered on iteration."""

    def __init__(self, samples: Sequence[Sample], processor: Any, batches: int) -> None:
        self.samples = samples
        self.processor = processor
        self.batches = batches
        self.seconds = 0.0

    def __iter__(self) -> Iterator[PromptBatch]:
        for _ in range(self.batches):
            start = time.perf_counter()
            prompting = Prompting(template="short")
            prompts = [prompting.render(sample, self.processor, index) for index, sample in enumerate(self.samples)]
            self.seconds = time.perf_counter() - start
            yield PromptBatch(prompts, next_index=len(prompts))


class Clock(Callback):  # its methods have Lightning's signatures
    """Measures the wall time of the step, and keeps its groups."""

    def __init__(self) -> None:
        self.start = 0.0
        self.seconds = 0.0
        self.groups: list[RolloutGroup] = []

    def on_train_batch_start(self, *given: Any) -> None:  # noqa: ARG002
        """Start; the peak of an accelerator's memory is of the last step."""
        if torch.accelerator.is_available():
            torch.accelerator.reset_peak_memory_stats()
        self.start = time.perf_counter()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *given: Any) -> None:  # noqa: ARG002
        """Stop."""
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()
        self.seconds = time.perf_counter() - self.start
        assert isinstance(pl_module, GroupRLModule)
        assert pl_module.finished_step is not None
        self.groups = [group.rollout for group in pl_module.finished_step.trained]


class MedixStep:
    """Steps with shared prompts, or with the plain pass.

    Args:
        folder: folder of the model.
        shape: shape of the step.
        policy: its class.
        trainer: arguments of the trainer; one CPU process if not given.
        arguments: of the policy, such as ``shared_prefix``.
    """

    def __init__(
        self,
        folder: Path,
        shape: Shape,
        *,
        policy: type[EndlessPolicy] = EndlessPolicy,
        trainer: Mapping[str, Any] = MappingProxyType({"accelerator": "cpu"}),
        **arguments: Any,
    ) -> None:
        logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
        self.shape = shape
        self.trainer = trainer
        sampling = Sampling(shape.group_size, shape.completion_tokens, temperature=workload.TEMPERATURE)
        self.module = GroupRLModule(
            policy=policy(str(folder), **arguments),
            engine=LocalEngine(sampling),
            rewards=workload.suite(),
            loss=DAPOLoss(),
            update=Update(prompts_per_update=shape.prompts),
            group_filter=KeepScored(),
            optimizer=partial(torch.optim.AdamW, lr=workload.LEARNING_RATE),
            prompts_per_step=shape.prompts,
            max_steps=1_000_000,
        )
        self.groups: list[RolloutGroup] = []

    def step(self, batches: int = 1) -> Seconds:
        """Steps, and the times of the last."""
        clock = Clock()
        rendered = Rendered(workload.samples(self.shape), self.module.policy.processor, batches)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Lightning warns about the missing loggers and loaders
            Trainer(
                **self.trainer, max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
                enable_model_summary=False, callbacks=[clock],
            ).fit(self.module, DataLoader(rendered, batch_size=None))  # fmt: skip
        self.groups = clock.groups
        assert self.module.finished_step is not None
        parts = self.module.finished_step.seconds
        return Seconds(
            generate=rendered.seconds + parts["rollout"],
            reward=parts["reward"],
            update=parts["update"],
            step=rendered.seconds + clock.seconds,
        )

    def old(self) -> float:
        """Seconds of a pass without gradient over the groups of the last step."""
        start = time.perf_counter()
        with torch.no_grad():
            for group in self.groups:
                self.module.policy.logprobs([group])
        return time.perf_counter() - start

    def decode(self) -> float:
        """Seconds of all tokens but the first of each completion: sampling whole ones less sampling of one token each.

        The images of the prompts are known from the last step, as in both of these.
        """
        engine, prompts = self.module.engine, [group.prompt for group in self.groups]
        taken = []
        for tokens in (1, self.shape.completion_tokens):
            start = time.perf_counter()
            engine.rollout(prompts, sampling=replace(engine.sampling, max_completion_tokens=tokens))
            taken.append(time.perf_counter() - start)
        return taken[1] - taken[0]

    @property
    def prompt_tokens(self) -> int:
        """Number of prompt tokens, P."""
        return len(self.groups[0].prompt.token_ids)

    @property
    def completion_lengths(self) -> set[int]:
        """Lengths of the completions of the last step."""
        return {len(completion.token_ids) for group in self.groups for completion in group.completions}
