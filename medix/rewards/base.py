"""The base class of reward components: ``score`` returns a value and a status per row."""

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
    """N completions and what they are scored against, one entry per row in every column.

    Attributes:
        completions: what the policy wrote.
        references: reference answers.
        questions: questions, without image placeholders.
        modalities: names; None for a text-only sample.
        aliases: further texts accepted as the reference.
        sources: data set of each sample.
        token_counts: completion tokens.
        truncated: whether the token limit cut the completion.
        modality_set: the valid tags.
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
        """The parsed completions; computed once for all components."""
        return tuple(
            parse(text, self.modality_set, expects_tag=modality is not None)
            for text, modality in zip(self.completions, self.modalities, strict=True)
        )


@dataclass(frozen=True)
class ComponentScores:
    """The scores of one component for N rows.

    Attributes:
        value: [N] float64; NaN where the row is not scored.
        status: N statuses.
        reason: why a row is unscored; empty elsewhere.
        verdicts: the judge's verdicts, for components that ask one.
        left_out: whether a row earns its value but stays out of every mean, because the component could score only
            some of the completions that its sample may have; empty if all rows count.
    """

    value: Float[Tensor, " row"]
    status: tuple[Status, ...]
    reason: tuple[str, ...]
    verdicts: tuple[Verdict | None, ...] = ()
    left_out: tuple[bool, ...] = ()

    @property
    def status_in_means(self) -> tuple[Status, ...]:
        """N statuses, with not applicable where a row stays out of the means."""
        if not self.left_out:
            return self.status
        pairs = zip(self.status, self.left_out, strict=True)
        return tuple(Status.NOT_APPLICABLE if is_out else status for status, is_out in pairs)

    @classmethod
    def of(
        cls,
        values: Sequence["float | int | Unscored | None"],
        verdicts: Sequence[Verdict | None] = (),
        left_out: Sequence[bool] = (),
    ) -> "ComponentScores":
        """Build from one entry per row: a number, an ``Unscored`` with its reason, or None for not applicable.

        A value that is not finite becomes unscored, so that no NaN of a user's component reaches an advantage.
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
        return cls(
            torch.tensor(value, dtype=torch.float64), tuple(status), tuple(reason), tuple(verdicts), tuple(left_out)
        )


@dataclass(frozen=True, slots=True)
class Unscored:
    """A row that could not be scored, with the reason."""

    reason: str


class RewardComponent(RunningMeans):
    """One reward: ``score`` for training, ``update``/``compute`` for running means per modality.

    A subclass implements ``score`` only. Encoders and judges must not be registered as submodules, which would add them
    to the parameters and checkpoints of whatever holds the metric: keep them in ``Held``.
    """

    @abstractmethod
    def score(self, batch: RewardBatch) -> ComponentScores:
        """Value and status of every row. Never raises for a row it cannot score: that row is unscored."""

    def start(self, batch: RewardBatch) -> None:
        """Start slow work on rows that will be scored later; does nothing by default."""

    def use_judge(self, judge: Judge, *, replace: bool) -> None:
        """Use the suite's judge, if this component asks one and has none of its own, or ``replace`` is set."""

    def use_encoder(self, encoder: Encoder, *, replace: bool) -> None:
        """Use the suite's encoder, if this component needs one and has none of its own, or ``replace`` is set."""

    def update(self, batch: RewardBatch) -> None:
        """Score a batch and add it to the running means."""
        self.accumulate(self.score(batch), batch.modalities)

    def accumulate(self, scores: ComponentScores, modalities: Sequence[str | None]) -> None:
        """Add rows that were already scored, without asking a judge again."""
        self.add(scores.value, scores.status_in_means, modalities)
