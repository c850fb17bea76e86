"""Answers that begin with the tag of the imaging modality, as in the public training data: ``<CT_SCAN>``, then text."""

import re

from medix.data.sources.source import RowError
from medix.grammar import PART_TAGS, from_first_visible, is_written_break, opening_tag
from medix.modality import NO_MODALITY, ModalitySet

_TAGGED = re.compile(r"<([^<>\n]*)>(.*)", re.DOTALL)
_TAG_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:[ _-][A-Z0-9]+)*")
"""What is meant as a tag even if it is not in the modality set; ``<5 mm>`` and ``<b>bold</b>`` are answers."""


def split_tag(key: str, answer: str, has_images: bool, modalities: ModalitySet) -> tuple[str | None, str]:
    """The modality that an answer begins with, None if with none, and the answer without it.

    Args:
        key: column of the answer, for messages.
        answer: the text.
        has_images: whether the row has images.
        modalities: the valid tags.

    Raises:
        RowError: the tag is unknown or does not fit to the images, or what follows it is no answer.
    """
    modality, reference = _split(key, answer.strip(), has_images, modalities)
    check_bare(key, reference, modalities)
    return modality, reference


def check_bare(key: str, reference: str, modalities: ModalitySet) -> None:
    """Refuse a reference with a tag of a completion in it: no answer of a model would equal it.

    Raises:
        RowError: it is a whole completion, or opens with a tag of the set or one that says that there is no image.
    """
    if modalities.is_tag(tag := opening_tag(reference)):
        raise RowError(key, reference, f"{tag} would be a part of the reference; write one tag, in front of it", "tag")
    if found := [part for part in PART_TAGS if part in reference.casefold()]:
        remedy = f"{found[0]} would be a part of the reference; give the text of the answer alone"
        raise RowError(key, reference, remedy, "tag")


def _split(key: str, answer: str, has_images: bool, modalities: ModalitySet) -> tuple[str | None, str]:
    match = _TAGGED.fullmatch(from_first_visible(answer))
    if match is None:
        return None, answer
    known = f"known: {', '.join(modalities)}"
    modality, name, rest = modalities.parse(match[1]), match[1].strip(), match[2]
    is_written = is_written_break(rest)
    if modality is None and not _TAG_NAME.fullmatch(name.upper() if rest.startswith("\n") or is_written else name):
        return None, answer
    if modality is not None and not has_images:
        raise RowError(key, answer, "a tag without an image; name the image, or remove the tag", "tag")
    if modality is None and has_images:
        remedy = f"unknown tag; {known}; --modalities gives another set"
        raise RowError(key, f"<{match[1]}>", remedy, "tag")
    if modality is None and name.upper() not in NO_MODALITY:
        remedy = f"unknown tag on a row without an image; remove it, or write <TEXT_ONLY>; {known}"
        raise RowError(key, f"<{match[1]}>", remedy, "tag")
    if is_written:
        remedy = (
            f"a backslash and a letter, {rest[:2]}, follow the tag, and would be a part of the reference; write a line "
            "break or a space there (in CSV, a cell with a line break stands in quotes)"
        )
        raise RowError(key, answer, remedy, "tag")
    reference = from_first_visible(rest).strip()
    if not reference:
        raise RowError(key, answer, "there is no reference after the tag; write it on the next line", "tag")
    return modality, reference
