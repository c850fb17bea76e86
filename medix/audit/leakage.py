"""Which items of a benchmark are in the data: by images, by questions, by runs of words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from medix.audit.near_pictures import TURNS, NearPairs
from medix.audit.picture_table import PictureTable
from medix.audit.rows import AuditRow
from medix.audit.texts import LONG, ngrams, normalised, words_of
from medix.evaluation.tasks.item import Item
from medix.evaluation.tasks.loader import LoadedTask

_EXAMPLES = 30
_BOILERPLATE = 10
"""Items of one task from which a run of words counts as its wording, as in GPT-3's decontamination."""

_CHOICES = "\n\nChoices:\n"


class Leak(StrEnum):
    """How an item is in the data; the first that holds."""

    ITEM = "question and image"
    IMAGE = "image"
    QUESTION = "question"
    NGRAM = "13 words in a row"
    PHRASING = "short question and answer"
    """Not counted as leaked: data sets share such phrasings, and the images differ."""


@dataclass(frozen=True, slots=True)
class LeakedItem:
    """An item and a row that it is found in.

    Attributes:
        leak: how.
        item: the item.
        row: index of the row.
        detail: what they share: the turn of an image, or words.
        pictures: number of the item's and of the row's image that are alike; None if none are.
    """

    leak: Leak
    item: Item
    row: int
    detail: str = ""
    pictures: tuple[int, int] | None = None


@dataclass
class TaskLeakage:
    """What of one task is in the data.

    Attributes:
        name: of the task.
        items: number of its items.
        with_images: of them those that have images.
        counts: items by how they are found, each once.
        images: number of distinct images of the task that are in the data.
        all_images: number of distinct images of the task.
        examples: some of the items of each kind.
    """

    name: str
    items: int
    with_images: int
    all_images: int
    images: int = 0
    counts: dict[Leak, int] = field(default_factory=lambda: dict.fromkeys(Leak, 0))
    examples: list[LeakedItem] = field(default_factory=list)

    @property
    def leaked(self) -> int:
        """Number of items that are in the data."""
        return sum(count for leak, count in self.counts.items() if leak is not Leak.PHRASING)

    def add(self, found: LeakedItem) -> None:
        """Count an item; the first of each kind are kept."""
        self.counts[found.leak] += 1
        if self.counts[found.leak] <= _EXAMPLES:
            self.examples.append(found)


class Leakage:
    """Finds items of tasks in rows. Only rows that are audited count, not those that serve to be compared with.

    Args:
        rows: the rows.
        tasks: the tasks.
        pictures: takes the images of the items; ``find`` needs their near pairs.
    """

    def __init__(self, rows: Sequence[AuditRow], tasks: Sequence[LoadedTask], pictures: PictureTable) -> None:
        self.rows = [(number, row) for number, row in enumerate(rows) if not row.is_against]
        self.tasks = tasks
        self._pictures = {
            (task.name, item.id): tuple(pictures.add(image.data) for image in item.images if image.data)
            for task in tasks
            for item in task.items
        }

    def find(self, near: NearPairs) -> list[TaskLeakage]:
        """What of each task is in the rows.

        Args:
            near: pairs of images of rows and items.
        """
        by_picture: dict[int, list[int]] = {}
        by_question: dict[str, list[int]] = {}
        for number, row in self.rows:
            for picture in row.pictures:
                by_picture.setdefault(picture, []).append(number)
            by_question.setdefault(normalised(row.sample.question), []).append(number)
        alike = _alike(near)
        samples = dict(self.rows)
        found = []
        for task in self.tasks:
            index = _Index(task, by_question, samples)
            result = TaskLeakage(
                task.name,
                len(task.items),
                sum(bool(item.images) for item in task.items),
                len({number for item in task.items for number in self._pictures[task.name, item.id]}),
            )
            shared: set[int] = set()
            for item in task.items:
                matches = list(self._image_matches(task.name, item, alike, by_picture))
                shared.update(pictures[0] for _, pictures, _ in matches)
                leaked = self._leaked(item, matches, index, samples)
                if leaked is not None:
                    result.add(leaked)
            result.images = len(shared)
            found.append(result)
        return found

    def _image_matches(
        self, task: str, item: Item, alike: Mapping[int, Sequence[tuple[int, str]]], by_picture: Mapping[int, list[int]]
    ) -> Iterator[tuple[int, tuple[int, int], str]]:
        """Rows that show an image of an item: row, numbers of both images, how the image is turned."""
        for picture in self._pictures[task, item.id]:
            for other, detail in ((picture, "same file"), *alike.get(picture, ())):
                for row in by_picture.get(other, ()):
                    yield row, (picture, other), detail

    def _leaked(
        self,
        item: Item,
        matches: Sequence[tuple[int, tuple[int, int], str]],
        index: "_Index",
        samples: Mapping[int, AuditRow],
    ) -> LeakedItem | None:
        asked = {normalised(text) for text in _questions(item)}
        for row, pictures, detail in matches:
            if normalised(samples[row].sample.question) in asked:
                return LeakedItem(Leak.ITEM, item, row, detail, pictures)
        if matches:
            row, pictures, detail = matches[0]
            return LeakedItem(Leak.IMAGE, item, row, detail, pictures)
        return index.leaked(item)


class _Index:
    """Rows by their questions, and runs of words of a task's items with the rows that have them."""

    def __init__(self, task: LoadedTask, by_question: Mapping[str, list[int]], rows: Mapping[int, AuditRow]) -> None:
        self._by_question = by_question
        self._rows = rows
        wanted: dict[str, list[str]] = {}
        for item in task.items:
            for run in _runs(*_questions(item)[:1], *item.references):
                wanted.setdefault(run, []).append(item.id)
        wanted = {run: ids for run, ids in wanted.items() if len(set(ids)) <= _BOILERPLATE}
        self._runs: dict[str, tuple[str, int]] = {}
        for number, row in rows.items():
            for run in _runs(row.sample.question, row.sample.reference):
                for name in wanted.get(run, ()):
                    self._runs.setdefault(name, (run, number))

    def leaked(self, item: Item) -> LeakedItem | None:
        """How an item without a shared image is in the rows; None if it is not."""
        phrasing = None
        for text in _questions(item):
            question = normalised(text)
            rows = self._by_question.get(question, [])
            is_text_only = not item.images and any(not self._rows[row].pictures for row in rows)
            if rows and (is_text_only or len(question.split()) >= LONG):
                return LeakedItem(Leak.QUESTION, item, rows[0], question)
            answers = {normalised(text) for text in item.references}
            equal = [row for row in rows if normalised(self._rows[row].sample.reference) in answers]
            if equal:
                phrasing = LeakedItem(Leak.PHRASING, item, equal[0], question)
        if (run := self._runs.get(item.id)) is not None:
            return LeakedItem(Leak.NGRAM, item, run[1], run[0])
        return phrasing


def _runs(*texts: str) -> Iterator[str]:
    for text in texts:
        yield from ngrams(words_of(text))


def _questions(item: Item) -> tuple[str, ...]:
    """The question as it is put, and without its choices."""
    stem, mark, _ = item.question.rpartition(_CHOICES)
    return (item.question, stem) if mark and item.choices else (item.question,)


def _alike(near: NearPairs) -> dict[int, list[tuple[int, str]]]:
    """For each image those that are alike, with how they are turned or how they correlate."""
    found: dict[int, list[tuple[int, str]]] = {}
    pairs = zip(near.first.tolist(), near.second.tolist(), near.turn.tolist(), near.correlation.tolist(), strict=True)
    for first, second, turn, correlation in pairs:
        detail = f"{TURNS[turn] or 'near-duplicate'}, correlation {correlation:.3f}"
        found.setdefault(first, []).append((second, detail))
        found.setdefault(second, []).append((first, detail))
    return found
