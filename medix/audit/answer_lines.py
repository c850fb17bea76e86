"""Completions of a model, read from the files in which the commands write them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from medix.data.sources.modality_names import MODALITY_TAGS, tag_of
from medix.modality import TEXT_ONLY, ModalitySet
from medix.reporting.completion_lines import CompletionLine, read_completion_lines

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
    for line in read_completion_lines(path):
        yield _answer(line, modalities)


def _answer(read: CompletionLine, modalities: ModalitySet) -> AnswerLine:
    content = read.content
    stated = read.text("modality")
    modality = tag_of(stated, MODALITY_TAGS, modalities) or stated if stated and stated != TEXT_ONLY else None
    images = content.get("images", content.get("image_ids"))
    references = (*read.texts("references"), *filter(None, (read.text("reference"),)), *read.texts("aliases"))
    return AnswerLine(
        number=read.number,
        id=read.id,
        completion=read.text("completion"),
        question=read.text("question") or "",
        references=references,
        modality=None if content.get("exchanged") is True else modality,
        # the modality of an item may be unknown although there are images
        has_images=bool(images) if read.is_item else stated not in (None, TEXT_ONLY) or "modality" not in content,
        is_structured=not (read.text("prompt_version") or "").startswith(_PLAIN),
        is_truncated=read.text("finish_reason") == "length",
    )
