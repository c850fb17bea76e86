"""The range of values that a grey picture of more than eight bits is shown with."""

import functools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_TAIL = 0.01
_LEAST = 4
_FEWEST = 16
_BEYOND = 2
_MOST = 0.4


class GreyRange(NamedTuple):
    """The values shown as black and as white; values outside are shown like the nearer of the two.

    A picture of more than eight bits comes without a display window. Its own minimum and maximum are the range, unless
    isolated pixels or thin lines lie far outside: one defective pixel at 65535 would leave a 12-bit picture nearly
    black. The bit depth is no alternative, since values of 12 bits are mostly stored in 16; fixed percentiles are none
    either, since they would remove a small bright lesion from a dark picture. The rule, which depends on nothing but
    the values:

    1. The core is what blocks of 2 x 3 or 3 x 2 pixels reach: from the lowest value that no pixel of some block exceeds
       to the highest that none of some block falls below. No isolated pixel, no four of them in a square and no line
       one pixel wide, crossed, bent or repeated, fills a block.
    2. The bulk is the core together with the central 98 % of the pixels, without at least four at each end (in a
       picture of less than 33 pixels, without an eighth). Pixels farther from the core than twice its width are not
       counted here.
    3. Values farther from the bulk than it is wide, or than twice the width of the core, are outliers. The range is
       that of the other values.

    So structures of 2 x 3 pixels or more are always inside the range, and the bulk takes at least a third of the grey
    scale. What is thinner sets the range within four widths of the core: isolated pixels and thin lines that are
    brighter never leave the core less than a fifth of the scale, in any number below two fifths of all pixels. From
    there on it is not known which are the picture, and nothing is an outlier; nor if the core is a single value or
    nothing, as with lines on an even background, or if there are fewer than 16 pixels. Without outliers the range is
    minimum to maximum. NaN and infinities are left out; they are shown as black, infinity as white.

    In one row of the pixels 10, 11, …, 25 and 4000, whose blocks are two neighbours, the core is 11 to 25. 4000 is
    farther from it than 2 x 14 and not counted; the bulk is 11 to 25 as well, and the range 10 to 25.
    """

    low: float
    high: float

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> "GreyRange":
        """The range of a picture.

        Args:
            values: ``[height, width]``.

        Raises:
            ValueError: no value is finite.
        """
        is_finite = np.isfinite(values)
        finite = values[is_finite]
        if not finite.size:
            raise ValueError("it has no finite value")
        everything = cls(float(finite.min()), float(finite.max()))
        core = cls(-reached(-values, ~is_finite), reached(values, ~is_finite))
        width = core.high - core.low
        if not width > 0 or finite.size < _FEWEST:
            return everything
        counted = finite[(finite >= core.low - _BEYOND * width) & (finite <= core.high + _BEYOND * width)]
        if counted.size <= (1 - _MOST) * finite.size:
            return everything
        low, high = _central(counted)
        low, high = min(low, core.low), max(high, core.high)
        room = min(high - low, _BEYOND * width)
        inside = finite[(finite >= low - room) & (finite <= high + room)]
        return cls(float(inside.min()), float(inside.max()))

    def eight_bits(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The picture from 0 (black) to 255 (white); a picture of one value is black."""
        if self.high <= self.low:
            return np.zeros(values.shape, dtype=np.uint8)
        inside = np.clip(np.nan_to_num(values, nan=self.low, posinf=self.high, neginf=self.low), self.low, self.high)
        low, high = self.low, self.high
        if not math.isfinite(high - low):  # beyond the largest float
            inside, low, high = inside / 2, low / 2, high / 2
        share = (inside - low) / (high - low)
        shown: NDArray[np.uint8] = np.rint(share * 255.0).astype(np.uint8)
        return shown


def reached(values: NDArray[np.floating], is_missing: NDArray[np.bool_]) -> float:
    """The highest value that no pixel of some block falls below; minus infinity if none is whole."""
    filled = np.where(is_missing, -np.inf, values)
    height, width = filled.shape
    blocks = {(2, 3), (3, 2)} if min(height, width) > 1 else {(min(height, 2), min(width, 2))}
    return max(
        (
            float(_least(_least(filled, rows, 0), columns, 1).max())
            for rows, columns in blocks
            if rows <= height and columns <= width
        ),
        default=-math.inf,
    )


def _least(values: NDArray[np.floating], count: int, axis: int) -> NDArray[np.floating]:
    """The least of each so many neighbours along an axis."""
    last = values.shape[axis] - count + 1
    parts = [values[start : start + last] if axis == 0 else values[:, start : start + last] for start in range(count)]
    return functools.reduce(np.minimum, parts)


def _central(values: NDArray[np.floating]) -> tuple[float, float]:
    """The interval of the central 98 %."""
    last = values.size - 1
    tail = math.ceil(max(_TAIL * last, min(_LEAST, last / 8)))
    low, high = np.partition(values, (tail, last - tail))[[tail, last - tail]]
    return float(low), float(high)
