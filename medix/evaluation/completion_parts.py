"""The parts of a completion as a reader sees them, also while it is still being written."""

import re
from dataclasses import dataclass
from typing import Literal

from medix.modality import ModalitySet

Kind = Literal["modality", "reasoning", "answer", "text"]

_TAG = re.compile(r"\s*<([A-Za-z][A-Za-z0-9_]*)>")
_MARK = re.compile(r"<(/?)(think|thinking|answer)>", re.IGNORECASE | re.ASCII)
# no tag is longer; and a character that is cut within its bytes is shown when it is whole
_UNFINISHED = re.compile(r"(?:</?[A-Za-z0-9_]{0,40}|<|\ufffd{1,3})\Z")


@dataclass(frozen=True, slots=True)
class CompletionPart:
    """A part of a completion.

    Attributes:
        kind: ``modality`` (the tag at the beginning), ``reasoning``, ``answer``, or ``text`` outside of these.
        text: without its tags and without white space around it.
    """

    kind: Kind
    text: str


def completion_parts(completion: str, modalities: ModalitySet, *, is_whole: bool = True) -> list[CompletionPart]:
    """The parts, in order; empty ones are left out.

    In contrast to ``medix.grammar.parse``, which says what a completion is worth, nothing is refused and nothing is
    left out: a second answer is another part.

    Args:
        completion: what is written.
        modalities: the valid tags.
        is_whole: False while it grows: what may be the beginning of a tag is kept back, so that the parts of a longer
            text continue those of a shorter one.
    """
    if not is_whole:
        completion = _UNFINISHED.sub("", completion)
    parts: list[CompletionPart] = []
    tag = _TAG.match(completion)
    start = 0
    if tag is not None and (name := modalities.parse(tag[1])) is not None:
        parts.append(CompletionPart("modality", name))
        start = tag.end()
    kind: Kind = "text"
    for mark in _MARK.finditer(completion, start):
        parts.append(CompletionPart(kind, completion[start : mark.start()].strip()))
        opened: Kind = "answer" if mark[2].lower() == "answer" else "reasoning"
        kind, start = "text" if mark[1] else opened, mark.end()
    parts.append(CompletionPart(kind, completion[start:].strip()))
    return [part for part in parts if part.text]
