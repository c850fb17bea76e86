"""The audit of a data set: everything that was found, and what it was compared with."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any

from medix.audit.contradictions import Contradiction, ContradictoryRow, contradictions, counted
from medix.audit.distributions import ModalityFacts, modality_facts
from medix.audit.duplicates import DuplicatePair, Duplicates, Relation
from medix.audit.leakage import Leakage, LeakedItem, TaskLeakage
from medix.audit.near_pictures import CORRELATION, RADIUS
from medix.audit.picture_table import PictureTable
from medix.audit.rows import AuditRow, read_rows
from medix.audit.shared_cases import SharedCases, shared_cases
from medix.audit.shared_runs import SHARE
from medix.audit.synonyms import THRESHOLD, Synonyms, find_synonyms, reference_counts
from medix.audit.texts import NGRAM
from medix.data.manifest import Manifest
from medix.evaluation.tasks.loader import LoadedTask
from medix.judge.clinical.modality_terms import ModalityTerms
from medix.modality import TEXT_ONLY
from medix.rewards.encoder import Encoder

Progress = Callable[[str, int | None], AbstractContextManager[Callable[[int], None]]]

_LISTED = 1000
"""Contradictory rows, and cases of a pair of splits, that ``audit.json`` lists; all are counted."""


@dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        rows: the samples, those that only serve to be compared with last.
        pictures: their images and those of the tasks.
        modalities: what the samples consist of.
        duplicates: images that samples share.
        leakage: what of the tasks is in the samples.
        not_compared: tasks that could not be loaded, with the reason.
        contradictory: rows that contradict their modality or each other.
        synonyms: answers that mean the same; None if no encoder was asked.
        cases: which splits share cases, or cannot be compared.
        facts: what was audited and how, for people.
    """

    rows: Sequence[AuditRow]
    pictures: PictureTable
    modalities: Sequence[ModalityFacts]
    duplicates: Duplicates
    leakage: Sequence[TaskLeakage]
    not_compared: Mapping[str, str]
    contradictory: Sequence[ContradictoryRow]
    synonyms: Synonyms | None
    cases: Sequence[SharedCases] = ()
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def samples(self) -> int:
        """Number of samples that are audited."""
        return sum(not row.is_against for row in self.rows)

    @property
    def contradictions(self) -> dict[Contradiction, int]:
        """Number of contradictory rows by kind."""
        return counted(self.contradictory)

    @property
    def without_words(self) -> list[str]:
        """Modalities of which no words are listed, so that questions and answers are not checked."""
        covered = ModalityTerms().covered
        return [one.modality for one in self.modalities if one.modality not in {*covered, TEXT_ONLY}]

    @property
    def findings(self) -> dict[str, int]:
        """What a user should act on, by what it is; counts of 0 included."""
        return {
            "items of benchmarks in the data": sum(task.leaked for task in self.leakage),
            "pairs of images across splits": self.duplicates.of(Relation.ACROSS_SPLITS),
            "cases across splits": sum(len(pair.cases) for pair in self.cases),
            "pairs of splits whose cases cannot be compared": sum(bool(pair.incomparable) for pair in self.cases),
            "names of cases across splits, in data sets that are not named": sum(
                len(pair.doubtful) for pair in self.cases
            ),
            **{str(kind): count for kind, count in self.contradictions.items()},
        }

    def to_dict(self) -> dict[str, Any]:
        """The content of ``audit.json``."""
        return {
            "facts": dict(self.facts),
            "samples": self.samples,
            "compared_with": len(self.rows) - self.samples,
            "images": len({number for row in self.rows if not row.is_against for number in row.pictures}),
            "thresholds": thresholds(),
            "findings": self.findings,
            "modalities": [one.to_dict() for one in self.modalities],
            "duplicates": [
                {
                    "kind": str(kind),
                    "relation": str(relation),
                    "pairs": count.pairs,
                    "images": len(count.pictures),
                    "samples": len(count.samples),
                    "examples": [self._pair(pair) for pair in count.examples],
                }
                for (kind, relation), count in self.duplicates.counts.items()
            ],
            "cases_across_splits": [
                {
                    **asdict(pair),
                    "count": len(pair.cases),
                    "cases": pair.cases[:_LISTED],
                    "doubtful_count": len(pair.doubtful),
                    "doubtful": pair.doubtful[:_LISTED],
                }
                for pair in self.cases
            ],
            "leakage": [self._task(task) for task in self.leakage],
            "tasks_not_compared": dict(self.not_compared),
            "modalities_without_words": self.without_words,
            "contradictions": {str(kind): count for kind, count in self.contradictions.items()},
            "contradictory_rows": [
                {"kind": str(one.kind), **self._row(one.row), "detail": one.detail}
                for one in self.contradictory[:_LISTED]
            ],
            "synonyms": None if self.synonyms is None else _synonyms(self.synonyms),
        }

    def _row(self, number: int) -> dict[str, Any]:
        row = self.rows[number]
        return {"split": row.split, "dataset": row.sample.dataset, "id": row.sample.id, "case": row.sample.case}

    def _pair(self, pair: DuplicatePair) -> dict[str, Any]:
        return {
            "first": self._row(pair.rows[0]),
            "second": self._row(pair.rows[1]),
            "turn": pair.turn,
            "correlation": round(pair.correlation, 4),
        }

    def _task(self, task: TaskLeakage) -> dict[str, Any]:
        return {
            "task": task.name,
            "items": task.items,
            "with_images": task.with_images,
            "leaked": task.leaked,
            "counts": {str(leak): count for leak, count in task.counts.items()},
            "images": task.images,
            "all_images": task.all_images,
            "notes": list(task.notes),
            "examples": [self._leaked(one) for one in task.examples],
        }

    def _leaked(self, found: LeakedItem) -> dict[str, Any]:
        return {
            "leak": str(found.leak),
            "item": found.item.id,
            "question": found.item.question,
            "row": self._row(found.row),
            "detail": found.detail,
        }


def thresholds() -> dict[str, float]:
    """The numbers that decide what is reported."""
    return {
        "hash_bits": RADIUS,
        "correlation": CORRELATION,
        "ngram_words": NGRAM,
        "ngram_share": SHARE,
        "synonym_cosine": THRESHOLD,
    }


def _synonyms(found: Synonyms) -> dict[str, Any]:
    return {
        "compared": found.compared,
        "left_out": found.left_out,
        "proposals": [
            {"first": pair.first, "second": pair.second, "counts": list(pair.counts), "cosine": round(pair.cosine, 4)}
            for pair in found.proposals
        ],
        "refused": found.refused,
    }


def audit(
    manifests: Sequence[Manifest],
    against: Sequence[Manifest],
    tasks: Sequence[LoadedTask],
    encoder: Encoder | None,
    progress: Progress,
    *,
    not_compared: Mapping[str, str] | None = None,
    facts: Mapping[str, str] | None = None,
    workers: int = 2,
) -> Audit:
    """Audit a data set.

    Args:
        manifests: what is audited.
        against: what it is compared with besides; nothing else is said of it.
        tasks: benchmarks that it is compared with.
        encoder: finds synonyms; None leaves them out.
        progress: shows a bar for a part of the work, given its name and number of steps.
        not_compared: tasks that could not be loaded, with the reason.
        facts: what was audited and how, for people.
        workers: threads that decode images.

    Raises:
        ShardError: a shard is not what its manifest says.
    """
    pictures = PictureTable(workers)
    rows: list[AuditRow] = []
    with progress("reading samples", sum(manifest.samples for manifest in (*manifests, *against))) as advance:
        rows += read_rows(manifests, pictures, advance=advance)
        rows += read_rows(against, pictures, is_against=True, advance=advance)
        leakage = Leakage(rows, tasks, pictures)
        pictures.finish()
    near = pictures.near()
    found = None
    if encoder is not None:
        counts = reference_counts([row.sample.reference for row in rows if not row.is_against])
        with progress("comparing answers", len(counts)) as advance:
            found = find_synonyms(counts, encoder, advance=advance)
    return Audit(
        rows=rows,
        pictures=pictures,
        modalities=modality_facts(rows, pictures.facts),
        duplicates=Duplicates(rows, near),
        leakage=leakage.find(near),
        not_compared=dict(not_compared or {}),
        contradictory=list(contradictions(rows, pictures.facts)),
        synonyms=found,
        cases=shared_cases(rows),
        facts=dict(facts or {}),
    )
