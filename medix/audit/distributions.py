"""What the data consists of: lengths, image sizes, answers, per modality."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medix.audit.picture_facts import PictureFacts
from medix.audit.rows import AuditRow
from medix.audit.texts import normalised, words_of

_MOST_COMMON = 5


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a number is distributed over rows or images; all are 0 if there are none."""

    count: int
    smallest: float
    median: float
    p95: float
    largest: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Distribution":
        """That of some values; percentiles are values that occur."""
        if not values:
            return cls(0, 0.0, 0.0, 0.0, 0.0)
        middle, high = np.quantile(values, [0.5, 0.95], method="lower")
        return cls(len(values), float(min(values)), float(middle), float(high), float(max(values)))


@dataclass(frozen=True)
class ModalityFacts:
    """The samples of one modality.

    Attributes:
        modality: its name, or ``TEXT_ONLY``.
        samples: number of samples.
        cases: number of known cases.
        without_case: samples whose case is unknown.
        images: number of distinct image files.
        question_words: words of a question.
        answer_words: words of a reference.
        images_per_sample: images of a sample.
        megapixels: millions of pixels of an image.
        answers: number of distinct references, without case and punctuation.
        most_common: the most common of them with their share of the samples.
        picture: number of an image that stands for the modality; None without one.
    """

    modality: str
    samples: int
    cases: int
    without_case: int
    images: int
    question_words: Distribution
    answer_words: Distribution
    images_per_sample: Distribution
    megapixels: Distribution
    answers: int
    most_common: tuple[tuple[str, float], ...]
    picture: int | None

    @classmethod
    def of(cls, modality: str, rows: Sequence[AuditRow], facts: Sequence[PictureFacts]) -> "ModalityFacts":
        """The facts of rows of one modality.

        Args:
            modality: the modality.
            rows: all of its rows, at least one.
            facts: of the images, by number.
        """
        numbers = list(dict.fromkeys(number for row in rows for number in row.pictures))
        readable = [number for number in numbers if not facts[number].fault and not facts[number].is_flat]
        references = Counter(normalised(row.sample.reference) for row in rows)
        return cls(
            modality=modality,
            samples=len(rows),
            cases=len({(row.sample.dataset, row.sample.case) for row in rows if row.sample.case}),
            without_case=sum(not row.sample.case for row in rows),
            images=len(numbers),
            question_words=Distribution.of([len(words_of(row.sample.question)) for row in rows]),
            answer_words=Distribution.of([len(words_of(row.sample.reference)) for row in rows]),
            images_per_sample=Distribution.of([len(row.pictures) for row in rows]),
            megapixels=Distribution.of([facts[number].width * facts[number].height / 1e6 for number in readable]),
            answers=len(references),
            most_common=tuple((text, count / len(rows)) for text, count in references.most_common(_MOST_COMMON)),
            picture=readable[0] if readable else None,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return {name: _plain(getattr(self, name)) for name in self.__dataclass_fields__ if name != "picture"}


def _plain(value: Any) -> Any:
    if isinstance(value, Distribution):
        return {name: getattr(value, name) for name in value.__slots__}
    return [list(entry) for entry in value] if isinstance(value, tuple) else value


def modality_facts(rows: Sequence[AuditRow], facts: Sequence[PictureFacts]) -> list[ModalityFacts]:
    """The facts of each modality of the rows that are audited, by name."""
    found: dict[str, list[AuditRow]] = {}
    for row in rows:
        if not row.is_against:
            found.setdefault(row.modality, []).append(row)
    return [ModalityFacts.of(modality, found[modality], facts) for modality in sorted(found)]
