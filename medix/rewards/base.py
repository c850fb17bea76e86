"""What every reward component is: one method that gives each row a value and a status, and running means of them."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

from medix.grammar import Parsed, parse
from medix.modality import TEXT_ONLY, ModalitySet
from medix.types import Status, Verdict


@dataclass(frozen=True)
class RewardBatch:
    """N completions with what they are scored against, one entry per row in every column.

    Attributes:
        completions: what the policy wrote.
        references: reference answers.
        questions: questions, without image placeholders.
        modalities: names; None for a text-only sample.
        aliases: further texts that count as the reference.
        sources: where each sample comes from.
        token_counts: completion tokens.
        truncated: whether the token limit cut the completion.
        modality_set: the tags that count.
    """

    completions: Sequence[str]
    references: Sequence[str]
    questions: Sequence[str]
    modalities: Sequence[str | None]
    aliases: Sequence[Sequence[str]]
    sources: Sequence[str]
    token_counts: Sequence[int | None]
    truncated: Sequence[bool]
    modality_set: ModalitySet = field(default_factory=ModalitySet)

    def __len__(self) -> int:
        return len(self.completions)

    @cached_property
    def parsed(self) -> tuple[Parsed, ...]:
        """What the grammar finds in each completion; computed once for all components."""
        return tuple(
            parse(text, self.modality_set, expects_tag=modality is not None)
            for text, modality in zip(self.completions, self.modalities, strict=True)
        )


@dataclass(frozen=True)
class ComponentScores:
    """What one component says of N rows.

    Attributes:
        value: [N] float64; NaN where the row is not scored.
        status: N statuses.
        reason: why a row is unscored; empty elsewhere.
        verdicts: what the judge said, for components that ask one.
    """

    value: Float[Tensor, " row"]
    status: tuple[Status, ...]
    reason: tuple[str, ...]
    verdicts: tuple[Verdict | None, ...] = ()

    @classmethod
    def of(cls, values: Sequence["float | Unscored | None"], verdicts: Sequence[Verdict | None] = ()) -> "ComponentScores":
        """Build from one entry per row: a number, an ``Unscored`` with its reason, or None for not applicable.

        A value that is not finite is unscored: a NaN from a user's component must not reach an advantage.
        """
        value, status, reason = [], [], []
        for entry in values:
            if entry is not None and not isinstance(entry, Unscored) and not math.isfinite(entry):
                entry = Unscored(f"the component gave {entry}")
            if entry is None:
                row = (math.nan, Status.NOT_APPLICABLE, "")
            elif isinstance(entry, Unscored):
                row = (math.nan, Status.UNSCORED, entry.reason)
            else:
                row = (float(entry), Status.SCORED, "")
            value.append(row[0])
            status.append(row[1])
            reason.append(row[2])
        return cls(torch.tensor(value, dtype=torch.float64), tuple(status), tuple(reason), tuple(verdicts))


@dataclass(frozen=True, slots=True)
class Unscored:
    """A row that could not be scored, and why."""

    reason: str


class RewardComponent(Metric):
    """One reward: ``score`` for training, ``update``/``compute`` for running means per modality.

    A subclass writes ``score`` and nothing else. State is of fixed size (modalities × counters), so every rank logs
    the same keys and two-process synchronisation is a sum. Encoders and judges must not be registered as modules:
    a metric that owns an ``nn.Module`` leaks it into the parameters and checkpoints of the module that holds it.

    Args:
        modalities: rows of the running means; the suite replaces it by its own.
    """

    full_state_update: ClassVar[bool] = False  # type: ignore[misc]  # torchmetrics declares it Optional
    higher_is_better: ClassVar[bool] = True  # type: ignore[misc]
    is_differentiable: ClassVar[bool] = False  # type: ignore[misc]
    plot_lower_bound: ClassVar[float] = 0.0  # type: ignore[misc]
    plot_upper_bound: ClassVar[float] = 1.0  # type: ignore[misc]

    total: Tensor
    scored: Tensor
    unscored: Tensor
    not_applicable: Tensor

    def __init__(self, modalities: ModalitySet | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.modalities = modalities or ModalitySet()
        self._add_counters()

    def _add_counters(self) -> None:
        rows = len(self.modalities) + 1  # text-only samples have a row of their own
        for name in ("total", "scored", "unscored", "not_applicable"):
            # float64 throughout: a float32 counter stops at 2^24
            self.add_state(name, torch.zeros(rows, dtype=torch.float64), dist_reduce_fx="sum", persistent=False)

    @abstractmethod
    def score(self, batch: RewardBatch) -> ComponentScores:
        """Value and status of every row. Never raises for a row it cannot score: that row is unscored."""

    def start(self, batch: RewardBatch) -> None:
        """Begin slow work on rows that will be scored later; the default does nothing."""

    def use_modalities(self, modalities: ModalitySet) -> None:
        """Take another modality set; forgets the running means."""
        self.modalities = modalities
        self._add_counters()

    def update(self, batch: RewardBatch) -> None:
        """Score a batch and add it to the running means."""
        self.accumulate(self.score(batch), batch.modalities)

    def accumulate(self, scores: ComponentScores, modalities: Sequence[str | None]) -> None:
        """Add rows that were scored already: a judge is not asked twice."""
        for value, status, modality in zip(scores.value.tolist(), scores.status, modalities, strict=True):
            row = self.modalities.index(modality)
            if status is Status.SCORED:
                self.total[row] += value
                self.scored[row] += 1
            elif status is Status.UNSCORED:
                self.unscored[row] += 1
            else:
                self.not_applicable[row] += 1

    def compute(self) -> dict[str, Tensor]:
        """``""`` (mean over all), one key per modality, ``unscored`` (share of applicable rows), always all of them.

        A mean over no rows is NaN.
        """
        counted = self.scored.sum() + self.unscored.sum()
        means = self.total / self.scored
        result = {"": self.total.sum() / self.scored.sum(), "unscored": self.unscored.sum() / counted}
        names = (*self.modalities, TEXT_ONLY)
        return result | {name: means[i] for i, name in enumerate(names)}
