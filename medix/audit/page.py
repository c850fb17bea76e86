"""The audit as one self-contained HTML page that loads nothing, runs no script and escapes all data."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

from medix.audit.audit import Audit, thresholds
from medix.audit.contradictions import Contradiction
from medix.audit.duplicates import DuplicatePair, Kind, Relation
from medix.audit.leakage import Leak, TaskLeakage
from medix.audit.synonyms import SynonymPair
from medix.evaluation.tasks.item import Item
from medix.reporting.render import USE
from medix.reporting.table import Table, number
from medix.reporting.templates import style, template
from medix.reporting.thumbnail import thumbnail

_SHOWN = 6
"""Examples of each kind on the page; ``audit.json`` has more."""

_ROWS = 60
"""Rows of a table of synonyms on the page."""

_SIDE = 200
"""Pixels of a thumbnail."""


@dataclass(frozen=True)
class Side:
    """A sample or an item of an example.

    Attributes:
        name: what it is called.
        thumbnail: ``data:`` URL of its image; empty if it has none, or one that cannot be decoded.
        question, answer: its texts.
        about: modality and case.
    """

    name: str
    thumbnail: str
    question: str
    answer: str
    about: str = ""


@dataclass(frozen=True)
class PageExample:
    """An example of something that was found.

    Attributes:
        kind: what it is.
        detail: what in particular.
        sides: the samples.
    """

    kind: str
    detail: str
    sides: tuple[Side, ...]


class AuditPage:
    """The page of an audit.

    Args:
        audit: what was found.
        title: heading of the page.
    """

    def __init__(self, audit: Audit, title: str) -> None:
        self.audit = audit
        self.title = title
        self._thumbnails: dict[int, str] = {}

    @property
    def tiles(self) -> list[tuple[str, str, str]]:
        """Heading, number and explanation of what counts most."""
        audit = self.audit
        items = sum(task.items for task in audit.leakage)
        leaked = sum(task.leaked for task in audit.leakage)
        across = audit.duplicates.of(Relation.ACROSS_SPLITS)
        contradictory = len({one.row for one in audit.contradictory})
        images = len({picture for row in audit.rows if not row.is_against for picture in row.pictures})
        tasks = f"{len(audit.leakage)} task{'' if len(audit.leakage) == 1 else 's'}"
        compared = f"of {items:,} items of {tasks}" if audit.leakage else "no task was compared"
        return [
            ("Samples", f"{audit.samples:,}", f"{images:,} images"),
            ("Benchmark items in the data", f"{leaked:,}" if audit.leakage else "\N{EN DASH}", compared),
            ("Pairs of images across splits", f"{across:,}", "the same file, near-duplicates, mirrored or rotated"),
            ("Cases across splits", self._cases_across, "patients or studies, by their names"),
            ("Contradictory samples", f"{contradictory:,}", f"of {audit.samples:,}"),
        ]

    @property
    def modalities(self) -> list[tuple[Any, str]]:
        """The facts of each modality with a picture."""
        return [(one, self._thumbnail(one.picture)) for one in self.audit.modalities]

    @property
    def lengths(self) -> Table:
        """Lengths and sizes of each modality."""
        columns = ["Modality", "Question, words", "Answer, words", "Images per sample", "Megapixels"]
        rows = [
            [one.modality, *(f"{d.median:.3g} / {d.p95:.3g} / {d.largest:.3g}" if d.count else number(None)
              for d in (one.question_words, one.answer_words, one.images_per_sample, one.megapixels))]
            for one in self.audit.modalities
        ]  # fmt: skip
        return Table("Lengths: median / 95th percentile / largest", columns, rows)

    @property
    def cases(self) -> Table:
        """Pairs of splits that share cases."""
        rows = [[one.first, one.second, f"{len(one.cases):,}", one.names] for one in self.audit.cases if one.cases]
        return Table("Cases in more than one split", ["Split", "Split", "Cases", "Such as"], rows)

    @property
    def open_cases(self) -> list[str]:
        """Why it is not known whether splits share cases."""
        return [text for pair in self.audit.cases for text in replace(pair, cases=()).sentences()]

    @property
    def duplicates(self) -> Table:
        """Pairs, images and samples of each kind and relation."""
        counts = self.audit.duplicates.counts
        rows = [
            [str(kind), str(relation), *(f"{n:,}" for n in (one.pairs, len(one.pictures), len(one.samples)))]
            for kind in Kind
            for relation in Relation
            if (one := counts[kind, relation]).pairs
        ]
        return Table("Images that occur more than once", ["How", "Where", "Pairs", "Images", "Samples"], rows)

    @property
    def duplicate_examples(self) -> list[PageExample]:
        """Pairs of each kind; those within a case only if they are no single file."""
        found = []
        for (kind, relation), count in self.audit.duplicates.counts.items():
            if relation is Relation.WITHIN_CASE and kind is Kind.SAME_FILE:
                continue
            found += [self._pair(pair) for pair in count.examples[:_SHOWN]]
        return found

    @property
    def leakage(self) -> Table:
        """Items of each task by how they are found."""
        columns = ["Task", "Items", "In the data", "Share", *(str(leak) for leak in Leak), "Images"]
        rows = [
            [
                task.name,
                f"{task.items:,}",
                f"{task.leaked:,}",
                number(task.leaked / task.items, percent=True),
                *(f"{task.counts[leak]:,}" for leak in Leak),
                f"{task.images:,} of {task.all_images:,}",
            ]
            for task in self.audit.leakage
        ]
        return Table("Items of benchmarks in the data", columns, rows)

    @property
    def leaked_examples(self) -> list[PageExample]:
        """Some items of each task and kind, with the sample in which they are found."""
        return [example for task in self.audit.leakage for example in self._leaked(task)]

    @property
    def contradictions(self) -> Table:
        """Samples by what is contradictory."""
        rows = [[str(kind), f"{count:,}"] for kind, count in self.audit.contradictions.items()]
        return Table("Contradictions", ["What", "Samples"], rows)

    @property
    def contradictory_examples(self) -> list[PageExample]:
        """Some samples of each kind."""
        order = list(Contradiction)
        found = sorted(self.audit.contradictory, key=lambda one: order.index(one.kind))
        return [
            PageExample(str(kind), one.detail, (self._row(one.row),))
            for kind, ones in groupby(found, key=lambda one: one.kind)
            for one in list(ones)[:_SHOWN]
        ]

    @property
    def synonyms(self) -> Table | None:
        """Answers that are proposed as synonyms; None if no encoder was asked."""
        found = self.audit.synonyms
        return None if found is None else _synonyms("Proposals", found.proposals[:_ROWS])

    @property
    def refused(self) -> Table | None:
        """Similar answers that the guard refuses."""
        found = self.audit.synonyms
        if found is None or not found.refused_examples:
            return None
        rows = [[pair.first, pair.second, f"{pair.cosine:.2f}", pair.fault] for pair in found.refused_examples]
        return Table("Similar, and not proposed", ["Answer", "Answer", "Cosine", "Why not"], rows)

    @property
    def thresholds(self) -> dict[str, str]:
        """How things were compared, for people."""
        known = thresholds()
        return {
            "Near-duplicate images": f"perceptual hashes (DCT, 63 bits) that differ in at most {known['hash_bits']:g} "
            f"bits, and thumbnails of 32 x 32 pixels with a correlation of {known['correlation']:g} or more, in any of "
            "eight orientations",
            "Same question": "equal words, without case and punctuation, with the same image or without one on both "
            "sides",
            "Long texts": f"runs of {known['ngram_words']:g} words that at most ten items of the task have, and that "
            f"make up {known['ngram_share']:.0%} or more of a question or an answer, of the item or of the data",
            "Synonyms": f"cosine of {known['synonym_cosine']:g} or more, and no number, side, negation or other fact "
            "that differs",
        }

    @cached_property
    def html(self) -> str:
        """The page."""
        page = template("audit.html.jinja", Path(__file__).parent)
        return page.render(page=self, audit=self.audit, use=USE, style=style())

    @property
    def _cases_across(self) -> str:
        count = sum(len(pair.cases) for pair in self.audit.cases)
        is_open = not count and any(pair.is_open for pair in self.audit.cases)
        return "not known" if is_open else f"{count:,}"

    def _pair(self, pair: DuplicatePair) -> PageExample:
        sides = self._row(pair.rows[0], pair.first), self._row(pair.rows[1], pair.second)
        detail = "" if pair.kind is Kind.SAME_FILE else f"correlation {pair.correlation:.3f}"
        return PageExample(f"{pair.turn or pair.kind}, {pair.relation}", detail, sides)

    def _leaked(self, task: TaskLeakage) -> Iterator[PageExample]:
        for leak in Leak:
            distinct = {one.pictures or one.item.id: one for one in task.examples if one.leak is leak}
            for one in list(distinct.values())[:_SHOWN]:
                theirs, ours = one.pictures or (None, None)
                sides = self._item(task.name, one.item, theirs), self._row(one.row, ours)
                detail = "" if leak in (Leak.QUESTION, Leak.PHRASING) else one.detail
                yield PageExample(f"{task.name}: {leak}", detail, sides)

    def _row(self, index: int, picture: int | None = None) -> Side:
        row = self.audit.rows[index]
        shown = picture if picture is not None else next(iter(row.pictures), None)
        case = f", case {row.sample.case}" if row.sample.case else ""
        about = f"{row.modality}{case}{', compared with' if row.is_against else ''}"
        return Side(row.name, self._thumbnail(shown), row.sample.question, row.sample.reference, about)

    def _item(self, task: str, item: Item, picture: int | None) -> Side:
        answer = item.references[0] if item.references else ""
        return Side(f"{task}: {item.id}", self._thumbnail(picture), item.question, answer, item.modality or "")

    def _thumbnail(self, picture: int | None) -> str:
        if picture is None:
            return ""
        if picture not in self._thumbnails:
            self._thumbnails[picture] = thumbnail(self.audit.pictures.read(picture), _SIDE)
        return self._thumbnails[picture]


def _synonyms(title: str, pairs: Sequence[SynonymPair]) -> Table:
    columns = ["Answer", "Times", "Synonym", "Times", "Cosine"]
    rows = [
        [pair.first, f"{pair.counts[0]:,}", pair.second, f"{pair.counts[1]:,}", f"{pair.cosine:.2f}"] for pair in pairs
    ]
    return Table(title, columns, rows)
