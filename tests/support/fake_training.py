"""A LightningModule of three lines of arithmetic with the interface that callbacks watch."""

import io
import math
import random
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import torch
from lightning.pytorch import Trainer
from PIL import Image
from torch.utils.data import DataLoader

from medix import stop_signal
from medix.callbacks.listeners import call_hook
from medix.judge.base import Judge
from medix.judge.own_arguments import on_record
from medix.modality import ModalitySet
from medix.modules.record import StepRecord
from medix.types import (
    Completion,
    CompletionScores,
    ComponentScore,
    FinishReason,
    JudgeQuestion,
    Prompt,
    RolloutGroup,
    Sample,
    ScoredGroup,
    Status,
    Verdict,
)

MODALITIES = ModalitySet(("X_RAY", "CT_SCAN", "MRI_SCAN"))


class CountingJudge(Judge):
    """YES where answer and reference are equal; counts what it was asked; unreachable for answers in ``fails_on``."""

    def __init__(self, name: str = "counting", fails_on: Sequence[str] = ()) -> None:
        self.name = name
        self.fails_on = fails_on
        self.asked: list[JudgeQuestion] = []

    @property
    def identity(self) -> str:
        return f"{self.name}/v1"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        self.asked += questions
        return [self._grade(question) for question in questions]

    def _grade(self, question: JudgeQuestion) -> Verdict:
        if question.answer in self.fails_on:
            return Verdict(credit=None, judge=self.identity, reason="connection refused")
        credit = float(question.answer == question.reference)
        return Verdict(credit=credit, judge=self.identity, reply="YES" if credit else "NO")


class FakeSuite:
    """Half judge, half modality; keeps the verdict of the judge."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.components = {"judge": self}
        self.scored = 0

    def fresh(self) -> "FakeSuite":
        return FakeSuite(self.judge)

    def asked(self, groups: Sequence[RolloutGroup]) -> dict[str, list[JudgeQuestion | None]]:
        return {}

    def score_groups(self, groups: Sequence[RolloutGroup], gather: Any = None) -> list[ScoredGroup]:
        self.scored += len(groups)
        return [ScoredGroup(group, tuple(self._score(group, c) for c in group.completions)) for group in groups]

    def _score(self, group: RolloutGroup, completion: Completion) -> CompletionScores:
        sample = group.prompt.sample
        answer = completion.text.split("<answer>")[-1].split("</answer>")[0]
        question = JudgeQuestion(sample.question, sample.reference, answer)
        (verdict,) = on_record(self.judge, self.judge.grade([question]))
        if verdict.credit is None:
            judged = ComponentScore(math.nan, Status.UNSCORED, verdict.reason, verdict)
        else:
            judged = ComponentScore(verdict.credit, Status.SCORED, "", verdict)
        if sample.modality is None:
            named, total = ComponentScore(math.nan, Status.NOT_APPLICABLE), judged.value
        else:
            named = ComponentScore(float(completion.text.startswith(f"<{sample.modality}>")), Status.SCORED)
            total = 0.5 * judged.value + 0.5 * named.value
        return CompletionScores(total, {"judge": judged, "modality": named})


def picture(shade: int, size: int = 24) -> bytes:
    """A small PNG."""
    buffer = io.BytesIO()
    Image.new("L", (size, size), shade).save(buffer, "PNG")
    return buffer.getvalue()


def make_sample(
    number: int, modality: str | None = "X_RAY", source: str = "slake", case: str = "", reference: str = "lung"
) -> Sample:
    images = (picture(number % 255),) if modality else ()
    return Sample(f"s{number:03d}", "Which organ?", reference, modality, images, source, (), case)


def make_completion(text: str, finish: FinishReason = FinishReason.STOP, logprob: float = -0.5) -> Completion:
    tokens = tuple(range(max(1, len(text.split()))))
    return Completion(text, tokens, tuple(logprob for _ in tokens), finish)


def write(modality: str | None, answer: str, reasoning: str = "seen") -> str:
    tag = f"<{modality}>" if modality else ""
    return f"{tag}<think>{reasoning}</think><answer>{answer}</answer>"


def make_group(sample: Sample, texts: Sequence[str], version: int = 0, index: int = -1) -> RolloutGroup:
    prompt = Prompt(sample, (1, 2, 3), index=index)
    return RolloutGroup(prompt, tuple(make_completion(text) for text in texts), version)


def score_by(totals: Sequence[float], group: RolloutGroup) -> ScoredGroup:
    """A scored group with these totals under one component ``judge``."""
    scores = []
    for total in totals:
        status = Status.UNSCORED if math.isnan(total) else Status.SCORED
        entry = ComponentScore(total, status, "judge is down" if math.isnan(total) else "")
        scores.append(CompletionScores(total, {"judge": entry}))
    return ScoredGroup(group, tuple(scores))


class FakeModule(lightning.LightningModule):
    """Counts steps like ``GroupRLModule``; its one weight walks by draws of all three global generators."""

    def __init__(
        self, max_steps: int = 4, batches_per_step: int = 1, judge: Judge | None = None, ability: float = 0.0
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.step = 0
        self.max_steps = max_steps
        self.batches_per_step = batches_per_step
        self.finished_step: StepRecord | None = None
        self.judge = judge
        self.rewards = FakeSuite(judge or CountingJudge())
        self.modalities = MODALITIES
        self.trajectory: list[float] = []
        self.validated_at: list[int] = []
        self.fails_at_step: int | None = None
        self._batches = 0

    def abandonable(self) -> AbstractContextManager[None]:
        return stop_signal.abandonable()

    def training_step(self, batch: Any, batch_idx: int) -> None:
        self.finished_step = None
        if self.step >= self.max_steps:  # as in a run that goes on behind its last step
            self.trainer.should_stop = True
            return
        self._batches += 1
        draw = torch.rand(()).item() + np.random.rand() + random.random()
        with torch.no_grad():
            self.weight += draw
        if self.fails_at_step == self.step + 1:
            raise RuntimeError("killed in the middle of a step")
        if self._batches % self.batches_per_step:
            return
        assert self.training
        groups = []
        for name in ("rollout", "reward", "update"):
            call_hook(self.trainer, "on_phase_start", self, name)
            if name == "rollout":
                texts = [write("X_RAY", "lung"), "no"]
                groups = [make_group(make_sample(i, source="train"), texts, self.step, i) for i in range(2)]
            call_hook(self.trainer, "on_phase_end", self, name, 0.25)
        self.step += 1
        scored = self.rewards.score_groups(groups)
        self.trajectory.append(self.weight.item())
        self.finished_step = StepRecord(
            step=self.step,
            scored=scored,
            trained=scored[:1],
            advantages=[(1.0, -1.0)],
            metrics={"loss": 0.1 * self.step, "grad_norm": 1.0},
            seconds={"rollout": 1.0, "reward": 0.5, "update": 2.5},
            rollouts=self.batches_per_step,
            tokens=40,
        )
        if self.step >= self.max_steps:
            self.trainer.should_stop = True

    def validation_step(self, batch: list[Sample], batch_idx: int) -> dict[str, Any]:
        assert not self.training
        torch.rand(3), np.random.rand(), random.random()
        if batch_idx == 0:
            self.validated_at.append(self.step)
        return {"groups": [make_group(sample, [self.complete(sample)]) for sample in batch]}

    test_step = validation_step

    def complete(self, sample: Sample) -> str:
        """Right on samples whose number is at most the step."""
        return write(sample.modality, sample.reference if int(sample.id[1:]) <= self.step else "heart")

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        return batch  # Lightning cannot walk through frozen dataclasses

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["fake_step"] = self.step

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.step = checkpoint["fake_step"]


class FakeData(lightning.LightningDataModule):
    """Numbers to train on, samples to validate on."""

    def __init__(self, samples: Sequence[Sample] | None = None, batch_size: int = 2) -> None:
        super().__init__()
        defaults = [make_sample(i, ("X_RAY", "CT_SCAN", None)[i % 3], ("slake", "medpix")[i % 2]) for i in range(1, 7)]
        self.samples = list(defaults if samples is None else samples)
        self.batch_size = batch_size

    def train_dataloader(self) -> Any:
        return DataLoader(range(1000), batch_size=1)

    def val_dataloader(self) -> Any:
        return DataLoader(self.samples, batch_size=self.batch_size, collate_fn=list)  # type: ignore[arg-type]

    test_dataloader = val_dataloader


def make_trainer(folder: Any, callbacks: Sequence[Any], logger: Any = False, **arguments: Any) -> Trainer:
    return Trainer(
        default_root_dir=folder,
        callbacks=list(callbacks),
        logger=logger,
        accelerator="cpu",
        enable_model_summary=False,
        enable_checkpointing=any(hasattr(c, "begins_from") for c in callbacks),
        **{"enable_progress_bar": False, "max_epochs": -1, **arguments},
    )
