"""Completions of a model, read from the files in which the commands write them."""

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medix.data.sources.modality_names import MODALITY_TAGS, tag_of
from medix.data.sources.table_row import text_of
from medix.modality import TEXT_ONLY, ModalitySet
from medix.text_lines import encoding_fault, read_lines

_LOG = logging.getLogger(__name__)
_PLAIN = "plain/"
"""Beginning of ``prompt_version`` where a model was asked without the template, so that it owes no structure."""


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """One completion.

    Attributes:
        number: of the line in its file.
        id: of the sample or item; empty if the line does not say.
        completion: the whole output; None if there is none.
        question: the question; empty if the line does not say.
        references: accepted answers.
        modality: true modality of the images; None if it is unknown, as in the control experiment with images of other
            cases, or if there are none.
        has_images: whether the question has images, so that a tag is expected.
        is_structured: whether the prompt asked for tag, reasoning and answer.
        is_truncated: whether it was cut at the token limit.
    """

    number: int
    id: str
    completion: str | None
    question: str = ""
    references: tuple[str, ...] = ()
    modality: str | None = None
    has_images: bool = True
    is_structured: bool = True
    is_truncated: bool = False


def read_answers(path: Path, modalities: ModalitySet) -> Iterator[AnswerLine]:
    """Read the lines of ``predict``, of recorded completions, or of ``generations.jsonl`` of an evaluation.

    Any other JSON lines with a ``completion`` are read too; ``id``, ``question``, ``reference`` or ``references``,
    ``aliases``, ``modality`` and ``finish_reason`` are used where they are there. A last line that was truncated by a
    crash is left out with a warning.

    Args:
        path: the file.
        modalities: the valid tags; a modality may also be given by its name (``CT``).

    Raises:
        TextFileError: the file is of another format.
        ValueError: a line holds no completion, or a value of another type.
        OSError: the file cannot be opened.
    """
    for line in read_lines(path):
        where = f"{path}, line {line.number}"
        if not line.is_decoded:
            raise ValueError(f"{where}: {encoding_fault(line.text)}")
        try:
            content = json.loads(line.text)
        except (ValueError, RecursionError) as error:
            if not line.is_ended:
                _LOG.warning("%s is truncated and was left out", where)
                return
            raise ValueError(f"{where}: is not JSON ({error}); write one object a line") from error
        if not isinstance(content, dict) or "completion" not in content:
            raise ValueError(
                f"{where}: has no completion: {line.text[:80]!r}; give a file of predict, of the folder completions of "
                "a run, or generations.jsonl of an evaluation"
            )
        yield _answer(line.number, _Reader(where, content), modalities)


def _answer(number: int, read: "_Reader", modalities: ModalitySet) -> AnswerLine:
    content = read.content
    stated = read.text("modality")
    modality = tag_of(stated, MODALITY_TAGS, modalities) or stated if stated and stated != TEXT_ONLY else None
    images = content.get("images", content.get("image_ids"))
    is_item = "item" in content  # of an evaluation: its modality may be unknown although there are images
    references = (*read.texts("references"), *filter(None, (read.text("reference"),)), *read.texts("aliases"))
    return AnswerLine(
        number=number,
        id=text_of(content.get("item" if is_item else "id")) or "",
        completion=read.text("completion"),
        question=read.text("question") or "",
        references=references,
        modality=None if content.get("exchanged") is True else modality,
        has_images=bool(images) if is_item else stated not in (None, TEXT_ONLY) or "modality" not in content,
        is_structured=not (read.text("prompt_version") or "").startswith(_PLAIN),
        is_truncated=read.text("finish_reason") == "length",
    )


@dataclass(frozen=True, slots=True)
class _Reader:
    """Values of a line, checked."""

    where: str
    content: Mapping[str, Any]

    def text(self, key: str) -> str | None:
        value = self.content.get(key)
        if value is not None and not isinstance(value, str):
            raise ValueError(f"{self.where}: {key} is {value!r:.60}, a {type(value).__name__}; write a text or null")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.content.get(key) or []
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise ValueError(f"{self.where}: {key} is {value!r:.60}; write a list of texts")
        return tuple(value)
