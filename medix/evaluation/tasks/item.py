"""One item of a task, as it is asked and graded."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from medix.data.image_markers import MARKER, pieces, renumbered
from medix.data.prompt_errors import MarkerError
from medix.data.sources.table_images import TableImage
from medix.data.sources.table_row import TableRow
from medix.evaluation.tasks.spec import Task, template
from medix.judge.options import choice_letter
from medix.types import Sample

_CLOSED = frozenset({"yes", "no"})


@dataclass(frozen=True, slots=True)
class ItemImage:
    """An image of an item.

    Attributes:
        name: file name, or the column that held it.
        sha256: of the encoded bytes, in hexadecimal digits; empty if they could not be read.
        data: the encoded bytes.
    """

    name: str
    sha256: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Item:
    """An item.

    Attributes:
        id: identity within the task.
        cluster: the unit that intervals are clustered by.
        question: what is asked, with context and choices, without the instruction of a prompt.
        references: accepted answers, the reference first; none if the data has no answer.
        choices: the choices in order; none for an open question.
        answer_index: index of the right choice, if it is known.
        modality: tag of the images, if it is known.
        question_type: kind of question; derived from choices and reference if the data does not say.
        source: origin, for tables.
        subgroup: further columns, for tables.
        images: the images, in the order in which markers count them.
        fault: why it cannot be asked: an image that is missing or cannot be read; empty if it can.
        asked: the question without context and choices.
    """

    id: str
    cluster: str
    question: str
    references: tuple[str, ...]
    choices: tuple[str, ...]
    answer_index: int | None
    modality: str | None
    question_type: str
    source: str
    subgroup: Mapping[str, str]
    images: tuple[ItemImage, ...]
    fault: str = ""
    asked: str = ""

    def content(self) -> dict[str, Any]:
        """All that makes a completion or a verdict of it stale if it changes."""
        return {
            "item": self.id,
            "question": self.question,
            "references": self.references,
            "choices": self.choices,
            "answer_index": self.answer_index,
            "images": [image.sha256 for image in self.images],
        }


class Items:
    """Makes the items of a task from the rows of its table; images that rows share are held once.

    Args:
        name: of the task.
        task: its spec.
    """

    def __init__(self, name: str, task: Task) -> None:
        self.name = name
        self.task = task
        self._template = template(task.prompt)
        self._held: dict[str, bytes] = {}
        self._seen: Counter[str] = Counter()

    def item(self, row: TableRow) -> Item:
        """The item of a row.

        Raises:
            ValueError: two rows have one identity, or the unit of clustering is not known.
        """
        images = tuple(map(self._image, row.images))
        question, fault = _with_markers(self._question(row), [image.number for image in row.images])
        identity = row.id or _digest([question, row.choices, row.answers, [image.sha256 for image in images]])
        self._seen[identity] += 1
        unit = identity  # identical rows say the same thing twice, and are one cluster
        if self._seen[identity] > 1:
            if row.id:
                raise ValueError(
                    f"{row.where}: the id {row.id!r} stands twice; correct data.columns.id, or leave it out to tell "
                    "rows apart by their content"
                )
            identity = f"{identity}-{self._seen[identity]}"
        return Item(
            id=identity,
            cluster=self._cluster(row, unit, images),
            question=question,
            references=row.answers,
            choices=row.choices,
            answer_index=row.answer_index,
            modality=(row.modality or row.tag) if images else None,
            question_type=row.question_type or _question_type(row),
            source=row.source or self.name,
            subgroup=row.subgroup,
            images=images,
            fault=next((image.fault for image in row.images if image.fault), fault),
            asked=row.question,
        )

    def _question(self, row: TableRow) -> str:
        lettered = "\n".join(f"{choice_letter(place)}. {text}" for place, text in enumerate(row.choices))
        known = {"question": row.question, "context": "\n\n".join(row.context), "choices": lettered}
        try:
            text = self._template.render(known).strip()
        except Exception as error:  # a template may call what it likes
            raise ValueError(f"{self.name}: prompt: {error}; it may use question, context and choices") from error
        if not text:
            raise ValueError(f"{row.where}: the prompt is empty; correct data.columns.question or prompt")
        return f"{text}\n\nChoices:\n{lettered}" if lettered and lettered not in text else text

    def _image(self, image: TableImage) -> ItemImage:
        if image.fault:
            return ItemImage(image.name, "", b"")
        digest = hashlib.sha256(image.data).hexdigest()
        return ItemImage(image.name, digest, self._held.setdefault(digest, image.data))

    def _cluster(self, row: TableRow, identity: str, images: Sequence[ItemImage]) -> str:
        unit = self.task.cluster
        if unit == "item":
            return identity
        if unit == "image":  # of an unreadable one the name
            return "+".join(image.sha256[:16] or image.name for image in images) or identity
        if not row.case:
            raise ValueError(f"{row.where}: columns.case is empty, by which intervals are clustered (cluster: {unit})")
        return row.case


def _with_markers(question: str, numbers: Sequence[int]) -> tuple[str, str]:
    """The question as ``medix.data.image_markers`` reads it, and why it cannot be asked.

    Data sets name an image twice, in a question and in a choice; there the images stand in front, and the markers
    become words. A marker of an image that the row does not have is a fault: the question would be asked blind.

    Args:
        question: with markers.
        numbers: of the images that the row has, as markers count them.
    """
    named = [match[1] for match in MARKER.finditer(question)]
    missing = sorted({int(number) for number in named if number} - set(numbers))
    if missing or named.count(None) > len(numbers):
        shown = f"image {missing[0]}" if missing else f"{named.count(None)} images"
        held = "none" if not numbers else f"image {', '.join(map(str, numbers))}" if missing else len(numbers)
        return question, f"the question shows {shown}, and the row has {held}"
    question = renumbered(question, numbers)
    sample = Sample(id="", question=question, reference="", modality=None, images=(b"",) * len(numbers))
    try:
        pieces(sample)
    except MarkerError:
        question = MARKER.sub(lambda match: f"(image {match[1]})" if match[1] else "(image)", question)
    return question, ""


def _question_type(row: TableRow) -> str:
    if row.choices:
        return "choices"
    return "closed" if row.answers and row.answers[0].strip().casefold() in _CLOSED else "open"


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]
