"""Markers in a question that say where its images stand: ``<image>``, or ``<image 1>``, ``<image 2>``, …

``Before: <image> After: <image>`` places the first image after ``Before:`` and the second after ``After:``; with
``After: <image 2> Before: <image 1>`` they change places. A question without markers has all images in front of it.
``<image1>``, ``<image_1>``, ``<image></image>`` and other cases of letters are accepted too, as data sets write them.
"""

import re
from collections.abc import Sequence
from itertools import accumulate, count

from medix.data.prompt_errors import MarkerError
from medix.types import Sample

MARKER = re.compile(r"<image(?:[ _]?([0-9]+))?>(?:</image>)?", re.IGNORECASE | re.ASCII)
"""A marker; its group is the number, if it has one."""

_OTHER = re.compile(r"<(?:img ?/?|image ?/)>", re.IGNORECASE)
"""What other data sets write for a marker: ``<img>``, ``<image/>``."""

Piece = str | int
"""Text, or the index of an image from 0."""


def as_read(question: str) -> str:
    """The question for people, who see the images beside it."""
    return MARKER.sub(lambda found: f"(image {found[1]})" if found[1] else "(image)", question).strip()


def pieces(sample: Sample) -> list[Piece]:
    """The question in order, as text and images; only its text if it has no markers.

    Raises:
        MarkerError: not every image has exactly one marker; names the sample, what disagrees and the remedy.
    """
    # split with one group: text, number or None, text, number or None, …, text
    split: Sequence[str | None] = MARKER.split(sample.question)
    texts, numbers = split[::2], split[1::2]
    if not numbers:
        if sample.images and (other := _OTHER.search(sample.question)):
            raise MarkerError(
                f"sample {sample.id!r}: {other[0]} is no marker of an image, and would be read as text; write <image>, "
                "or leave it out to have all images in front of the question"
            )
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


def renumbered(question: str, numbers: Sequence[int]) -> str:
    """The question with its numbered markers counted among the images that are there.

    Args:
        question: with markers that count images as the data set does.
        numbers: of the images that are there, as the data set counts them; other numbers stay.
    """
    rank = {number: place for place, number in enumerate(numbers, start=1)}

    def counted(marker: re.Match[str]) -> str:
        return f"<image {rank[int(marker[1])]}>" if marker[1] and int(marker[1]) in rank else marker[0]

    return MARKER.sub(counted, question)


def expanded(question: str, counts: Sequence[int]) -> str:
    """A question whose images each become several: a marker becomes as many, in its place.

    Args:
        question: with a marker for each image, or with none.
        counts: how many images each image becomes, in order.
    """
    starts = [0, *accumulate(counts)]
    order = count()

    def markers(found: re.Match[str]) -> str:
        place = next(order) if found[1] is None else int(found[1]) - 1
        numbers = range(starts[place] + 1, starts[place + 1] + 1)
        return "".join(found[0] if found[1] is None else f"<image {number}>" for number in numbers)

    return MARKER.sub(markers, question) if set(counts) != {1} else question


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
