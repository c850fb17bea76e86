"""Markers in a question that say where its images stand: ``<image>``, or ``<image 1>``, ``<image 2>``, …

``Before: <image> After: <image>`` places the first image after ``Before:`` and the second after ``After:``; with
``After: <image 2> Before: <image 1>`` they change places. A question without markers has all images in front of it.
``<image1>``, ``<image_1>`` and other cases of letters are accepted too, because data sets write them.
"""

import re
from collections.abc import Sequence

from medix.data.prompt_errors import MarkerError
from medix.types import Sample

MARKER = re.compile(r"<image(?:[ _]?([0-9]+))?>", re.IGNORECASE | re.ASCII)
"""A marker; its group is the number, if it has one."""

Piece = str | int
"""Text, or the index of an image from 0."""


def pieces(sample: Sample) -> list[Piece]:
    """The question in order, as text and images; only its text if it has no markers.

    Raises:
        MarkerError: not every image has exactly one marker; names the sample, what disagrees and the remedy.
    """
    # split with one group: text, number or None, text, number or None, …, text
    split: Sequence[str | None] = MARKER.split(sample.question)
    texts, numbers = split[::2], split[1::2]
    if not numbers:
        return [sample.question]
    if fault := _fault(numbers, len(sample.images)):
        raise MarkerError(
            f"sample {sample.id!r}: {fault}; write one <image> per image, or <image 1>, <image 2>, … each once, or "
            "none to have all images in front of the question (write < image > for text that is no marker)"
        )
    found: list[Piece] = [texts[0] or ""]
    for place, (number, text) in enumerate(zip(numbers, texts[1:], strict=True)):
        found += [place if number is None else int(number) - 1, text or ""]
    return found


def _fault(numbers: Sequence[str | None], images: int) -> str:
    """How the markers of a question disagree with its images; empty if they do not."""
    given = [int(number) for number in numbers if number is not None]
    outside = sorted({number for number in given if not 1 <= number <= images})
    twice = sorted({number for number in given if given.count(number) > 1})
    has = (
        f"{len(numbers)} image marker{'' if len(numbers) == 1 else 's'} for {images} image{'' if images == 1 else 's'}"
    )
    if given and len(given) < len(numbers):
        return f"the question has markers with and without a number ({has})"
    if outside:
        return f"the question names image {', '.join(map(str, outside))}, which does not exist ({has})"
    if twice:
        return f"the question names image {', '.join(map(str, twice))} more than once ({has})"
    return f"the question has {has}" if len(numbers) != images else ""


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
