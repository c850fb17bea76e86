"""Which items of a benchmark are in the data: by images, by questions, by runs of words."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from medix.audit.near_pictures import TURNS, NearPairs
from medix.audit.picture_table import PictureTable
from medix.audit.rows import AuditRow
from medix.audit.texts import ngrams, normalised, words_of
from medix.evaluation.tasks.item import Item
from medix.evaluation.tasks.loader import LoadedTask

_EXAMPLES = 30
_BOILERPLATE = 10
"""Most items of one task that may share a run of words; more share the wording of the task, as for GPT-3."""

_CHOICES = "\n\nChoices:\n"
_LETTER = re.compile(r"^[A-Z]\. ")


class Leak(StrEnum):
    """How an item is in the data; the first that holds."""

    ITEM = "question and image"
    IMAGE = "image"
    QUESTION = "question"
    NGRAM = "13 words in a row"
    PHRASING = "question and answer, other image"
    """Not counted as leaked: data sets share phrasings, and the images differ."""


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
        notes: what could not be compared: rows that are missing, images that cannot be read.
        examples: some of the items of each kind.
    """

    name: str
    items: int
    with_images: int
    all_images: int
    notes: tuple[str, ...] = ()
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
        self._rows = {number: row for number, row in enumerate(rows) if not row.is_against}
        self.tasks = tasks
        self._table = pictures
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
        for number, row in self._rows.items():
            for picture in row.pictures:
                by_picture.setdefault(picture, []).append(number)
        alike, texts = _alike(near), _Texts(self._rows, self.tasks)
        return [self._of_task(task, by_picture, alike, texts) for task in self.tasks]

    def _of_task(
        self,
        task: LoadedTask,
        by_picture: Mapping[int, Sequence[int]],
        alike: Mapping[int, Sequence[tuple[int, str]]],
        texts: "_Texts",
    ) -> TaskLeakage:
        images = {item.id: self._pictures[task.name, item.id] for item in task.items}
        distinct = {number for numbers in images.values() for number in numbers}
        with_images = sum(bool(item.images) for item in task.items)
        found = TaskLeakage(task.name, len(task.items), with_images, len(distinct), tuple(self._notes(task, images)))
        shared: set[int] = set()
        for item in task.items:
            matches = [
                (row, (picture, other), detail)
                for picture in images[item.id]
                for other, detail in ((picture, "same file"), *alike.get(picture, ()))
                for row in by_picture.get(other, ())
            ]
            shared.update(pictures[0] for _, pictures, _ in matches)
            leaked = self._by_image(item, matches) if matches else texts.leaked(task.name, item)
            if leaked is not None:
                found.add(leaked)
        found.images = len(shared)
        return found

    def _notes(self, task: LoadedTask, images: Mapping[str, Sequence[int]]) -> Iterator[str]:
        if task.difference:
            yield f"{task.difference} of the benchmark are here"
        facts = self._table.facts
        unread = sum(
            len(images[item.id]) < len(item.images) or any(facts[number].fault for number in images[item.id])
            for item in task.items
        )
        if unread:
            yield f"{unread:,} items have an image that cannot be read, and were compared by their texts"

    def _by_image(self, item: Item, matches: Sequence[tuple[int, tuple[int, int], str]]) -> LeakedItem:
        """How an item is leaked whose image is in the rows."""
        asked = set(_questions(item))
        for row, pictures, detail in matches:
            if _compared(self._rows[row].sample.question) in asked:
                return LeakedItem(Leak.ITEM, item, row, detail, pictures)
        row, pictures, detail = matches[0]
        return LeakedItem(Leak.IMAGE, item, row, detail, pictures)


class _Texts:
    """Rows by their questions, and for each item a run of words that a row has too.

    Args:
        rows: the rows.
        tasks: tasks with the items.
    """

    def __init__(self, rows: Mapping[int, AuditRow], tasks: Sequence[LoadedTask]) -> None:
        self._rows = rows
        self._by_question: dict[str, list[int]] = {}
        wanted = _distinctive(tasks)
        self._runs: dict[tuple[str, str], tuple[str, int]] = {}
        for number, row in rows.items():
            self._by_question.setdefault(_compared(row.sample.question), []).append(number)
            for run in _runs(row.sample.question, row.sample.reference):
                for item in wanted.get(run, ()):
                    self._runs.setdefault(item, (run, number))

    def leaked(self, task: str, item: Item) -> LeakedItem | None:
        """How an item without a shared image is in the rows; None if it is not."""
        answers = {normalised(text) for text in item.references}
        equal = [(row, text) for text in _questions(item) for row in self._by_question.get(text, ())]
        for row, text in equal:
            if not item.images and not self._rows[row].pictures:
                return LeakedItem(Leak.QUESTION, item, row, text)
        if (run := self._runs.get((task, item.id))) is not None:
            return LeakedItem(Leak.NGRAM, item, run[1], run[0])
        for row, text in equal:
            if normalised(self._rows[row].sample.reference) in answers:
                return LeakedItem(Leak.PHRASING, item, row, text)
        return None


def _distinctive(tasks: Sequence[LoadedTask]) -> dict[str, list[tuple[str, str]]]:
    """Runs of words with the items that have them, but for those that are the wording of a task."""
    wanted: dict[str, list[tuple[str, str]]] = {}
    for task in tasks:
        own: dict[str, set[str]] = {}
        for item in task.items:
            for run in _runs(item.question, *item.references):
                own.setdefault(run, set()).add(item.id)
        for run, ids in own.items():
            if len(ids) <= _BOILERPLATE:
                wanted.setdefault(run, []).extend((task.name, name) for name in sorted(ids))
    return wanted


def _runs(*texts: str) -> Iterator[str]:
    for text in texts:
        yield from ngrams(words_of(text))


def _questions(item: Item) -> tuple[str, ...]:
    """The question as it is compared, and without its choices."""
    stem, mark, _ = item.question.rpartition(_CHOICES)
    put = _compared(item.question)
    return (put, normalised(stem)) if mark and item.choices else (put,)


def _compared(question: str) -> str:
    """A question as words, with its choices without letters and sorted: data sets shuffle them."""
    stem, mark, choices = question.rpartition(_CHOICES)
    if not mark:
        return normalised(question)
    return " ".join([normalised(stem), *sorted(normalised(_LETTER.sub("", line)) for line in choices.splitlines())])


def _alike(near: NearPairs) -> dict[int, list[tuple[int, str]]]:
    """For each image those that are alike, with how they are turned or how they correlate."""
    found: dict[int, list[tuple[int, str]]] = {}
    pairs = zip(near.first.tolist(), near.second.tolist(), near.turn.tolist(), near.correlation.tolist(), strict=True)
    for first, second, turn, correlation in pairs:
        detail = f"{TURNS[turn] or 'near-duplicate'}, correlation {correlation:.3f}"
        found.setdefault(first, []).append((second, detail))
        found.setdefault(second, []).append((first, detail))
    return found
