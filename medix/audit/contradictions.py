"""Samples whose question, answer or picture contradict their modality, and samples that contradict each other."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from medix.audit.picture_facts import PictureFacts
from medix.audit.rows import AuditRow
from medix.audit.texts import normalised
from medix.judge.clinical.modality_terms import ModalityTerms, asks_modality, named_modalities
from medix.judge.clinical.text import is_same

_GREY = frozenset(("X_RAY", "CT_SCAN", "MRI_SCAN", "MAMMOGRAPHY", "FLUOROSCOPY"))
"""Modalities whose pictures have no colour but for marks on them."""

COLOURED = 0.3
"""Share of coloured pixels from which a picture is none of a grey modality; arrows and frames stay below."""


class Contradiction(StrEnum):
    """What is contradictory."""

    QUESTION = "question of another modality"
    ANSWER = "answer of another modality"
    NAMED = "answer names another modality"
    COLOUR = "colour picture of a grey modality"
    CONFLICT = "same question and images, other answer"
    UNREADABLE = "image that cannot be decoded"
    BLANK = "image without content"


@dataclass(frozen=True, slots=True)
class ContradictoryRow:
    """A row that contradicts its modality, or another row.

    Attributes:
        kind: what is contradictory.
        row: its index.
        detail: the words, or the other answer.
    """

    kind: Contradiction
    row: int
    detail: str


def contradictions(rows: Sequence[AuditRow], facts: Sequence[PictureFacts]) -> Iterator[ContradictoryRow]:
    """What is contradictory in the rows that are audited.

    Args:
        rows: the rows.
        facts: of the images, by number.
    """
    terms = ModalityTerms()
    for number, row in enumerate(rows):
        if row.is_against:
            continue
        yield from (ContradictoryRow(kind, number, detail) for kind, detail in _of_row(row, facts, terms))
    yield from _conflicts(rows)


def _of_row(row: AuditRow, facts: Sequence[PictureFacts], terms: ModalityTerms) -> Iterator[tuple[Contradiction, str]]:
    sample = row.sample
    images = [facts[picture] for picture in row.pictures]
    for fault in dict.fromkeys(image.fault for image in images if image.fault):
        yield Contradiction.UNREADABLE, fault
    if any(image.is_flat and not image.fault for image in images):
        yield Contradiction.BLANK, "one shade of grey"
    modality = sample.modality
    if modality is None:
        return
    if modality in terms.covered:
        asked = dict.fromkeys(terms.foreign(sample.question, modality))
        if asked:
            yield Contradiction.QUESTION, ", ".join(asked)
        texts = (sample.reference, *sample.aliases)
        said = dict.fromkeys(term for text in texts for term in terms.foreign(text, modality, [sample.question]))
        if said:
            yield Contradiction.ANSWER, ", ".join(said)
        named = named_modalities(sample.reference)
        if named and modality not in named and asks_modality(sample.question):
            yield Contradiction.NAMED, sample.reference
    coloured = max((image.coloured for image in images), default=0.0)
    if modality in _GREY and coloured >= COLOURED:
        yield Contradiction.COLOUR, f"{coloured:.0%} of its pixels are coloured"


def _conflicts(rows: Sequence[AuditRow]) -> Iterator[ContradictoryRow]:
    """Rows that ask the same of the same images as an earlier row and have another answer."""
    first: dict[tuple[str, str, tuple[int, ...]], list[int]] = {}
    for number, row in enumerate(rows):
        if row.is_against:
            continue
        key = row.sample.dataset, normalised(row.sample.question), row.pictures
        earlier = first.setdefault(key, [])
        accepted = [(rows[one].sample.reference, *rows[one].sample.aliases) for one in earlier]
        if earlier and not any(is_same(row.sample.reference, text) for texts in accepted for text in texts):
            yield ContradictoryRow(Contradiction.CONFLICT, number, f"{rows[earlier[0]].name}: {accepted[0][0]}")
        if len(earlier) < 8:  # enough to know the answers that are there
            earlier.append(number)


def counted(found: Sequence[ContradictoryRow]) -> dict[Contradiction, int]:
    """Number of rows of each kind, kinds without rows included."""
    counts = Counter(one.kind for one in found)
    return {kind: counts[kind] for kind in Contradiction}
