"""What every reward component is: one method that gives each row a value and a status, and running means of them."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from medix.grammar import Parsed, parse
from medix.judge.base import Judge
from medix.modality import ModalitySet
from medix.rewards.encoder import Encoder
from medix.rewards.means import RunningMeans
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
    def of(
        cls, values: Sequence["float | int | Unscored | None"], verdicts: Sequence[Verdict | None] = ()
    ) -> "ComponentScores":
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


class RewardComponent(RunningMeans):
    """One reward: ``score`` for training, ``update``/``compute`` for running means per modality.

    A subclass writes ``score`` and nothing else. Encoders and judges must not be registered as modules: hold them in
    ``Held``, or a metric that owns an ``nn.Module`` leaks it into the parameters and checkpoints of its own holder.
    """

    @abstractmethod
    def score(self, batch: RewardBatch) -> ComponentScores:
        """Value and status of every row. Never raises for a row it cannot score: that row is unscored."""

    def start(self, batch: RewardBatch) -> None:
        """Begin slow work on rows that will be scored later; the default does nothing."""

    def use_judge(self, judge: Judge, *, replace: bool) -> None:
        """Take the suite's judge, if this component asks one and was given none, or ``replace`` is set."""

    def use_encoder(self, encoder: Encoder, *, replace: bool) -> None:
        """Take the suite's encoder, if this component needs one and was given none, or ``replace`` is set."""

    def update(self, batch: RewardBatch) -> None:
        """Score a batch and add it to the running means."""
        self.accumulate(self.score(batch), batch.modalities)

    def accumulate(self, scores: ComponentScores, modalities: Sequence[str | None]) -> None:
        """Add rows that were scored already: a judge is not asked twice."""
        self.add(scores.value, scores.status, modalities)
