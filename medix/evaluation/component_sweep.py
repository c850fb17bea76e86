"""A reward component, at several thresholds, on answers that people have judged."""

from collections.abc import Callable, Sequence

from medix.evaluation.label_agreement import LabelAgreement, ThresholdSweep
from medix.evaluation.label_verdicts import CHUNK
from medix.evaluation.labels import Label
from medix.rewards.base import RewardBatch, RewardComponent
from medix.rewards.embedding import EncodedReward

THRESHOLDS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""Cosine similarities that are tried, or credits of other components."""


def sweep_component(
    name: str, component: RewardComponent, labels: Sequence[Label], advance: Callable[[int], None]
) -> ThresholdSweep:
    """Score every answer by a reward component, at each of ``THRESHOLDS`` and at its own threshold.

    Of a component that compares embeddings the cosine similarity counts, after its guard; of another its value. A row
    that it does not apply to is unscored here.

    Args:
        name: what the component is called in its suite.
        component: the component; it is not changed.
        labels: the answers.
        advance: as in ``judge_labels``.

    Raises:
        ValueError: its encoder fails. The rows that need none, because the guard refuses them, are no sample of all.
    """
    if isinstance(component, EncodedReward):
        try:
            component.encoder.encode([labels[0].question.reference])
        except Exception as error:
            raise ValueError(
                f"{name}: the encoder {component.encoder!r:.100} failed: {type(error).__name__}: {error}; fetch its "
                "model, or give a suite with another encoder"
            ) from error
    scored = _Cosine(component) if isinstance(component, EncodedReward) else component
    own = getattr(component, "threshold", None)
    values: list[float | None] = []
    why: list[str] = []
    for start in range(0, len(labels), CHUNK):
        part = labels[start : start + CHUNK]
        found = scored.score(_batch(part))
        for value, status, reason in zip(found.value.tolist(), found.status, found.reason, strict=True):
            values.append(value if status.value == "scored" else None)
            why.append("" if status.value == "scored" else reason or "it does not apply")
        advance(len(part))
    return ThresholdSweep(
        name,
        {
            threshold: LabelAgreement(
                f"{name} at {threshold:g}",
                labels,
                [None if value is None else value >= threshold - 1e-6 for value in values],
                why,
            )
            for threshold in sorted({*THRESHOLDS, *([own] if own is not None else [])})
        },
    )


class _Cosine(EncodedReward):
    """The cosine similarity that a component would compare with its threshold."""

    def __init__(self, component: EncodedReward) -> None:
        super().__init__(component.encoder, component.guard, component.answer_rule, component.cached_references)

    def _credit_of(self, cosine: float) -> float:
        return cosine


def _batch(labels: Sequence[Label]) -> RewardBatch:
    """The answers as completions of a policy to a question without a picture."""
    questions = [label.question for label in labels]
    none = [None] * len(labels)
    return RewardBatch(
        completions=[f"<think></think><answer>{question.answer}</answer>" for question in questions],
        references=[question.reference for question in questions],
        questions=[question.question for question in questions],
        modalities=none,
        aliases=[question.aliases for question in questions],
        sources=[""] * len(labels),
        token_counts=none,
        truncated=[False] * len(labels),
    )
