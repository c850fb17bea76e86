"""Which items of a benchmark are in the data: by images, by questions, by runs of words."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from medix.audit.near_pictures import TURNS, NearPairs
from medix.audit.picture_table import PictureTable
from medix.audit.rows import AuditRow
from medix.audit.shared_runs import shared_runs
from medix.audit.texts import normalised, stem_and_choices
from medix.evaluation.tasks.item import Item
from medix.evaluation.tasks.loader import LoadedTask

_EXAMPLES = 30


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
            asked = texts.questions(task.name, item)
            leaked = self._by_image(item, asked, matches) if matches else texts.leaked(task.name, item)
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

    def _by_image(
        self, item: Item, asked: Sequence[str], matches: Sequence[tuple[int, tuple[int, int], str]]
    ) -> LeakedItem:
        """How an item is leaked whose image is in the rows."""
        for row, pictures, detail in matches:
            if _compared(self._rows[row].sample.question) in asked:
                return LeakedItem(Leak.ITEM, item, row, detail, pictures)
        row, pictures, detail = matches[0]
        return LeakedItem(Leak.IMAGE, item, row, detail, pictures)


class _Texts:
    """Rows by their questions and by the runs of words that they share with items.

    Args:
        rows: the rows.
        tasks: tasks with the items.
    """

    def __init__(self, rows: Mapping[int, AuditRow], tasks: Sequence[LoadedTask]) -> None:
        self._rows = rows
        self._by_question: dict[str, list[int]] = {}
        for number, row in rows.items():
            self._by_question.setdefault(_compared(row.sample.question), []).append(number)
        self._asked = {task.name: Counter(_asked(item) for item in task.items) for task in tasks}
        self._runs = shared_runs({number: row.sample for number, row in rows.items()}, tasks)

    def questions(self, task: str, item: Item) -> tuple[str, ...]:
        """The question of an item as it is compared; also without context and choices, if no other item asks that."""
        asked = _asked(item)
        return tuple({_compared(item.question): None, **({asked: None} if self._asked[task][asked] == 1 else {})})

    def leaked(self, task: str, item: Item) -> LeakedItem | None:
        """How an item without a shared image is in the rows; None if it is not."""
        answers = {normalised(text) for text in item.references}
        equal = [(row, text) for text in self.questions(task, item) for row in self._by_question.get(text, ())]
        for row, text in equal:
            if not item.images and not self._rows[row].pictures:
                return LeakedItem(Leak.QUESTION, item, row, text)
        if (found := self._runs.get((task, item.id))) is not None:
            return LeakedItem(Leak.NGRAM, item, found.row, f"{found.share:.0%} of the text: {found.run} …")
        for row, text in equal:
            if normalised(self._rows[row].sample.reference) in answers:
                return LeakedItem(Leak.PHRASING, item, row, text)
        return None


def _asked(item: Item) -> str:
    return normalised(stem_and_choices(item.asked or item.question)[0])


def _compared(question: str) -> str:
    """A question as words, with its choices without letters and sorted: data sets shuffle them."""
    stem, choices = stem_and_choices(question)
    return " ".join([normalised(stem), *sorted(map(normalised, choices))])


def _alike(near: NearPairs) -> dict[int, list[tuple[int, str]]]:
    """For each image those that are alike, with how they are turned or how they correlate."""
    found: dict[int, list[tuple[int, str]]] = {}
    pairs = zip(near.first.tolist(), near.second.tolist(), near.turn.tolist(), near.correlation.tolist(), strict=True)
    for first, second, turn, correlation in pairs:
        detail = f"{TURNS[turn] or 'near-duplicate'}, correlation {correlation:.3f}"
        found.setdefault(first, []).append((second, detail))
        found.setdefault(second, []).append((first, detail))
    return found
