"""Which images of a DICOM series are shown, and in which order."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from medix.data.sources.dicom_header import DicomHeader
from medix.data.sources.source import RowError

_SLICED = ("CT_SCAN", "MRI_SCAN", "PET_SCAN")
_DIGITS = 2
_SAME_COSINE = 0.01

MAX_FRAMES = 1 << 16
"""Frames of one sample."""


class Place(NamedTuple):
    """One frame of one file.

    Attributes:
        path: relative to the root.
        frame: its index in the file.
        number: its index among all frames of its volume, or of its file if that stands alone.
    """

    path: str
    frame: int
    number: int


@dataclass(frozen=True, slots=True)
class FrameChoice:
    """Which frames are taken of the n in a file or a series.

    ``N`` frames are those in the middle of N equal parts: frame floor((i + 1/2) n / N) for i = 0 … N - 1; all if there
    are no more than N. ``middle`` is N = 1: frame floor(n / 2), counted from 0.

    Attributes:
        number: N; None for all.
    """

    number: int | None = 1

    @classmethod
    def parse(cls, text: str) -> "FrameChoice":
        """The choice that ``--frames`` gives.

        Raises:
            ValueError: it is none.
        """
        if text == "all":
            return cls(None)
        if text == "middle":
            return cls(1)
        if not text.isascii() or not text.isdecimal() or int(text) < 1:
            raise ValueError(f"--frames {text}: is no choice; give middle, all, or a number of frames from 1")
        return cls(int(text))

    def of(self, count: int) -> list[int]:
        """Indices of the frames that are taken of ``count``, in order."""
        if self.number is None or self.number >= count:
            return list(range(count))
        return [(2 * part + 1) * count // (2 * self.number) for part in range(self.number)]


MIDDLE = FrameChoice()
"""The frame in the middle."""


class Orientations:
    """Tells orientations of slices apart: those that differ from an earlier one of their volume by noise are that one.

    Rounding would not do, as it divides slices on both sides of a border.
    """

    def __init__(self) -> None:
        self._known: dict[str, list[tuple[float, ...]]] = {}

    def same(self, volume: str, axes: tuple[float, ...]) -> tuple[float, ...]:
        """The first orientation of a volume whose cosines differ from these by no more than 0.01."""
        known = self._known.setdefault(volume, [])
        for one in known:
            if len(one) == len(axes) and all(abs(a - b) <= _SAME_COSINE for a, b in zip(one, axes, strict=True)):
                return one
        known.append(axes)
        return axes


@dataclass(frozen=True, slots=True)
class Slot:
    """Where an image belongs in its series.

    Attributes:
        path: of the file, relative to the root.
        frames: number of frames.
        position: along the normal of its volume, in mm; None if the header does not say.
        number: InstanceNumber; None if the header does not say.
        stack: equal for the images that are slices of one volume; empty for an image that stands alone.
    """

    path: str
    frames: int
    position: float | None
    number: int | None
    stack: str

    @classmethod
    def of(cls, header: DicomHeader, path: str, tag: str, orientations: Orientations) -> "Slot":
        """The slot of an image.

        Images of one frame are slices of one volume if they share series, orientation (``Orientations``) and size, and
        if they have a position, or are CT, MRI or PET. Radiographs of one series, such as two views of a chest, stand
        alone.

        Raises:
            RowError: the number of frames is none.
        """
        frames = header.frames
        axes, origin = header.numbers("ImageOrientationPatient"), header.numbers("ImagePositionPatient")
        has_position = len(origin) == 3 and bool(_normal(axes).any())
        series = header.uid("SeriesInstanceUID")
        stack = ""
        if frames == 1 and series and (has_position or tag in _SLICED):
            size = f"{header.whole('Rows')}x{header.whole('Columns')}"
            axes = orientations.same(f"{series}|{size}", axes)
            stack = f"{series}|{','.join(f'{round(one, _DIGITS) + 0.0:g}' for one in axes)}|{size}"
        # Along the normal of the volume: origins are so far out that the noise of a normal of its own moves a slice.
        position = float(_normal(axes) @ np.asarray(origin)) if has_position else math.nan
        return cls(path, frames, position if math.isfinite(position) else None, header.whole("InstanceNumber"), stack)


def _normal(axes: Sequence[float]) -> NDArray[np.floating[Any]]:
    """Normal of slices with these cosines; zero if they are none."""
    return np.cross(axes[:3], axes[3:]) if len(axes) == 6 else np.zeros(3)


def in_order(slots: Sequence[Slot]) -> list[Slot]:
    """Along the normal where every position is known, else by InstanceNumber; equal ones by the other, then path.

    Of standard axial slices, those nearest to the feet come first.
    """
    by_position = all(slot.position is not None for slot in slots)

    def key(slot: Slot) -> tuple[float, float, str]:
        number = math.inf if slot.number is None else float(slot.number)
        return (slot.position or 0.0) if by_position else 0.0, number, slot.path

    return sorted(slots, key=key)


def places(slots: Sequence[Slot], choice: FrameChoice) -> list[Place]:
    """The frames that are taken of images in order, as of one sequence of frames.

    Raises:
        RowError: they are more than ``MAX_FRAMES``: a header may state any number.
    """
    ordered = in_order(slots)
    ends = list(accumulate(slot.frames for slot in ordered))
    if min(ends[-1], choice.number or ends[-1]) > MAX_FRAMES:
        raise RowError("--frames", ends[-1], f"a sample has at most {MAX_FRAMES} frames; take fewer", "too_large")
    found = []
    for index in choice.of(ends[-1]):
        slot = bisect_right(ends, index)
        found.append(Place(ordered[slot].path, index - (ends[slot] - ordered[slot].frames), index))
    return found
