"""References that the encoder of a component cannot read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from medix.rewards.base import RewardBatch
from medix.rewards.embedding import EncodedReward
from medix.rewards.encoder import SentenceEncoder
from medix.rewards.suite import RewardSuite
from medix.types import Sample

REMEDY = (
    "leave the component out, or give an encoder that reads them and name its languages (SentenceEncoder.languages); "
    "for such a sample the weight goes to the other components"
)


@dataclass(frozen=True)
class UnreadReferences:
    """What the encoder of one component can read.

    Attributes:
        component: its name in the suite.
        count: samples whose reference and aliases it cannot read.
        total: samples that were checked.
        example: one of these references, with the reason.
        failure: why nothing is known; empty if it is.
    """

    component: str
    count: int
    total: int
    example: str = ""
    failure: str = ""

    @property
    def told(self) -> str:
        """The finding in one sentence."""
        key = f"model.rewards.components.{self.component}"
        if self.failure:
            return f"{key}: it is not known which references its encoder can read: {self.failure}"
        if not self.count:
            return f"{key}: its encoder can read the references of all {self.total:,} samples that were checked"
        share = self.count / self.total
        return (
            f"{key}: its encoder cannot read the references of {self.count:,} of {self.total:,} samples ({share:.1%}), "
            f"such as {self.example}; the component does not apply to them"
        )


def unread_references(suite: RewardSuite, samples: Sequence[Sample]) -> Iterator[UnreadReferences]:
    """What the encoder of each component can read of the references of some samples; no weights are loaded.

    Args:
        suite: its components with encoders are asked.
        samples: one or more samples.
    """
    batch = RewardBatch(
        completions=[""] * len(samples),
        references=[sample.reference for sample in samples],
        questions=[sample.question for sample in samples],
        modalities=[sample.modality for sample in samples],
        aliases=[sample.aliases for sample in samples],
        sources=[sample.source for sample in samples],
        token_counts=[None] * len(samples),
        truncated=[False] * len(samples),
        modality_set=suite.modalities,
    )
    for name, part in suite.components.items():
        if not isinstance(part, EncodedReward):
            continue
        try:
            if isinstance(part.encoder, SentenceEncoder):
                part.encoder.load_tokenizer()
            reasons = part.unread(batch)
        except Exception as error:  # noqa: BLE001 - an encoder is foreign code
            yield UnreadReferences(name, 0, len(samples), failure=f"{type(error).__name__}: {error}".partition("\n")[0])
            continue
        found = [(sample.reference, reason) for sample, reason in zip(samples, reasons, strict=True) if reason]
        example = f"{found[0][0]!r:.60} ({found[0][1]})" if found else ""
        yield UnreadReferences(name, len(found), len(samples), example)
