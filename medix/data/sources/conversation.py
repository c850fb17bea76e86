"""Samples from conversations about images: what the layouts of LLaVA and Qwen-VL have in common.

Each turn of the user with the reply that follows is one sample. Its question begins with the earlier turns, as
``Question: …`` and ``Answer: …``, because a later turn often cannot be understood without them. Its images are those
whose markers stand in the turns up to it; in a conversation without markers, all images stand in front of each. Turns
of a row without a case whose images differ, or that have none, get its id, or a hash of it, as their case: a later turn
repeats the earlier answers, and must not be in another part of a partition. A turn in front of the first image is a
text-only sample: its answer may begin with ``<TEXT_ONLY>``, and must not begin with the tag of a modality.
"""

import hashlib
import json
import re
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from medix.data.image_markers import MARKER, pieces
from medix.data.partition import PATIENT_FIELDS, named_unit
from medix.data.picture import PictureError
from medix.data.prompt_errors import MarkerError
from medix.data.sources.json_rows import json_objects
from medix.data.sources.layouts import CASES
from medix.data.sources.modality_names import MODALITY_TAGS, tag_of
from medix.data.sources.source import RowError, Source, SourceRow, content_id, stamp
from medix.data.sources.stored_image import conversions, stored_image
from medix.data.sources.table_cell import no_text, text_of
from medix.data.sources.table_images import ImageFiles
from medix.data.sources.table_schema import Columns, TableData
from medix.data.sources.table_source import Reading
from medix.data.sources.tagged_answer import split_tag
from medix.modality import ModalitySet
from medix.types import Sample

ROLES = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}
"""What the names of roles mean."""

_OF_PROGRAMS = re.compile(r"<img>[^<]*</img>|<\|(?:vision_start|image_pad|image_[0-9]+)\|>|<start_of_image>")
"""Images in the texts of Qwen-VL, and in prompts that a chat template of Qwen, Phi or Gemma has rendered."""


class Turn(NamedTuple):
    """One message: ``user``, ``assistant`` or ``system``, and its text with markers where images stand."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """A question of a conversation and its reply.

    Attributes:
        id: identity; empty where the row has none.
        question: with the earlier turns.
        answer: as it stands, with a tag if it has one.
        images: file names, or encoded bytes.
        case: of the row; if it states none, the same for all turns, unless they show the same images.
        source: of the row.
        modality: as a field of the row states it, or the tag of another answer; empty if neither does.
        metadata: who the patient is, if a field of the row says so.
    """

    id: str
    question: str
    answer: str
    images: tuple[str | bytes, ...]
    case: str
    source: str
    modality: str
    metadata: Mapping[str, str]


class ConversationSource(Source):
    """The conversations of a JSON or JSON lines file.

    ``id``, ``case`` (or another of ``CASES``) and ``source`` of a row are kept, and its ``modality``, or the field of
    ``--modality-column``. An answer may begin with the tag of the modality.

    Args:
        path: the file.
        reading: ``modalities``, ``root`` and ``modality_column`` are used.
    """

    def __init__(self, path: Path, reading: Reading) -> None:
        if reading.data is not None or reading.question:
            raise ValueError("--columns and --question are for tables; conversations have one layout")
        self.path = path
        self.reading = reading
        self.modalities = ModalitySet(reading.modalities)
        self._files = ImageFiles(TableData(Columns(answer="answer")), path.parent, ExitStack(), None, self.root)

    @property
    def root(self) -> Path:
        """Folder that images must lie in."""
        return self.reading.root or self.path.parent

    @abstractmethod
    def turns(self, row: Mapping[str, Any]) -> tuple[list[Turn], list[str | bytes]]:
        """The messages of a row, and its images in the order of their markers.

        Raises:
            RowError: the row has not this layout.
        """

    @cached_property
    def has_ids(self) -> bool:
        """Whether any row has one."""
        return any(
            row.get("id") not in (None, "") for _, row in json_objects(self.path) if not isinstance(row, RowError)
        )

    def rows(self) -> Iterator[SourceRow]:
        """The exchanges of every conversation."""
        for where, row in json_objects(self.path):
            try:
                if isinstance(row, RowError):
                    raise row
                exchanges = self._exchanges(row)
            except RowError as error:
                yield SourceRow(where, error)
                continue
            for number, exchange in enumerate(exchanges, start=1):
                yield SourceRow(where if len(exchanges) == 1 else f"{where}, turn {number}", exchange)

    def sample(self, row: SourceRow) -> Sample:
        """The sample of an exchange."""
        exchange: Exchange = row.content
        images = tuple(map(self._image, exchange.images))
        tag, reference = split_tag("answer", exchange.answer, bool(images), self.modalities)
        sample = Sample(
            id=exchange.id,
            question=exchange.question,
            reference=reference,
            modality=self._modality(tag, exchange.modality) if images else None,
            images=images,
            source=exchange.source,
            case=exchange.case,
            metadata=exchange.metadata,
        )
        try:
            pieces(sample)
        except MarkerError as error:
            raise RowError("question", sample.question, str(error), "marker") from error
        return sample if sample.id else replace(sample, id=content_id(sample))

    def fingerprint(self) -> str:
        """Of the file, its images and the arguments."""
        names = {
            image
            for row in self.rows()
            if isinstance(row.content, Exchange)
            for image in row.content.images
            if isinstance(image, str)
        }
        parts = [repr(self.reading), *map(stamp, (self.path, *map(self._files.path, sorted(names))))]
        return hashlib.sha256(json.dumps(parts).encode("utf-8", "surrogatepass")).hexdigest()

    def notes(self, counts: Counter[str]) -> list[str]:
        """What became of images."""
        return conversions(counts)

    def _exchanges(self, row: Mapping[str, Any]) -> list[Exchange]:
        turns, images = self.turns(row)
        name, source = _field(row, "id"), _field(row, "source")
        case = next(filter(None, (named_unit(_field(row, key)) for key in CASES)), "")
        patient = {key: text for key in PATIENT_FIELDS if (text := _field(row, key))}
        system = [turn.text for turn in turns if turn.role == "system"]
        pairs = _pairs([turn for turn in turns if turn.role != "system"])
        _check_markers("\n".join(question for question, _ in pairs), len(images))
        has_markers = any(MARKER.search(question) for question, _ in pairs)
        key = self.reading.modality_column or "modality"
        stated = _field(row, key)
        if stated and not images and not has_markers:
            raise RowError(key, stated, "a modality without an image", "modality")
        exchanges, before = [], [text.strip() for text in system if text.strip()]
        tags: list[str] = []
        for number, (question, answer) in enumerate(pairs, start=1):
            text = "\n\n".join([*before, question])
            shown = tuple(images[: _marked(text)] if has_markers else images)
            tag, untagged = split_tag("answer", answer, bool(shown), self.modalities)
            tags += [tag] if tag else []
            identity = f"{name}:{number}" if name and len(pairs) > 1 else name
            exchanges.append(Exchange(identity, text, answer, shown, case, source, "", patient))
            before.append(f"Question: {question}\nAnswer: {untagged}")
        exchanges = [replace(exchange, modality=stated or "".join(tags[:1])) for exchange in exchanges]
        shown_together = bool(images) and len({frozenset(exchange.images) for exchange in exchanges}) == 1
        if case or len(pairs) == 1 or shown_together:  # a partition keeps samples of the same images together
            return exchanges
        unit = name or hashlib.sha256(repr((turns, images)).encode("utf-8", "surrogatepass")).hexdigest()[:16]
        return [replace(exchange, case=unit) for exchange in exchanges]

    def _image(self, image: str | bytes) -> bytes:
        name = image if isinstance(image, str) else f"{len(image)} bytes"
        if isinstance(image, str):
            file = self._files.read(image)
            if file.fault:
                raise RowError("image", name, file.fault, "outside" if file.is_outside else "no-image")
            image = file.data
        try:
            return stored_image(image, self.counts)
        except PictureError as error:
            raise RowError("image", name, f"{error}; replace the file", "image") from error

    def _modality(self, tag: str | None, stated: str) -> str | None:
        """The modality, if it is stated.

        Raises:
            RowError: the field is no tag, or contradicts the answer.
        """
        found = tag_of(stated, MODALITY_TAGS, self.modalities)
        key = self.reading.modality_column or "modality"
        if stated and found is None:
            raise RowError(key, stated, f"it is no tag; known: {', '.join(self.modalities)}", "modality")
        if tag and found and tag != found:
            raise RowError(key, stated, f"the answer begins with <{tag}>; correct one of them", "modality")
        return tag or found


def _pairs(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """Questions with their replies.

    Raises:
        RowError: the roles do not alternate, or a text is empty.
    """
    roles = [turn.role for turn in turns]
    if not turns or roles != ["user", "assistant"] * (len(turns) // 2):
        raise RowError("turns", ", ".join(roles), "a question and a reply must follow each other in turn", "turns")
    pairs = [(user.text.strip(), reply.text.strip()) for user, reply in zip(turns[::2], turns[1::2], strict=True)]
    if empty := [pair for pair in pairs if not all(pair)]:
        raise RowError("turns", empty[0], "a text is empty; give the question and its answer", "turns")
    return pairs


def _marked(text: str) -> int:
    """Number of images that a text needs: its markers, or the largest number of one."""
    numbers = [match[1] for match in MARKER.finditer(text)]
    return max((int(number) for number in numbers if number), default=len(numbers))


def _check_markers(questions: str, images: int) -> None:
    """Refuse a conversation whose markers leave images out, or are those of a program.

    Raises:
        RowError: there are fewer markers than images, or an image stands in the text as a program writes it.
    """
    if other := _OF_PROGRAMS.search(questions):
        remedy = "marks an image as a program writes it; write <image> there, and the file's name in image"
        raise RowError("question", other[0], remedy, "marker")
    if 0 < (marked := _marked(questions)) < images:
        remedy = f"the questions have {marked} of them for {images} images; write one for each image, or none"
        raise RowError("question", "<image>", remedy, "marker")


def _field(row: Mapping[str, Any], key: str) -> str:
    text = text_of(row.get(key))
    if text is None:
        raise RowError(key, row[key], no_text(row[key]), "cell")
    return text.strip()
