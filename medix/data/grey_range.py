"""The range of values that a grey picture of more than eight bits is shown with."""

import math
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

_TAIL = 0.01
_SIDE = 3
_LEAST = 4
_FEWEST = 16


class GreyRange(NamedTuple):
    """The values shown as black and as white; values outside are shown like the nearer of the two.

    A picture of more than eight bits comes without a display window. Its own minimum and maximum are the range, unless
    single pixels lie far outside: one defective pixel at 65535 would leave a 12-bit picture nearly black. The bit depth
    is no alternative, since values of 12 bits are mostly stored in 16; fixed percentiles are none either, since they
    would remove a small bright lesion from a dark picture. The rule, which depends on nothing but the values:

    1. The bulk is the interval of the central 98 % of the pixels, without at least four at each end (in a picture of
       less than 33 pixels, without an eighth).
    2. A value that is farther from the bulk than the bulk is wide is far.
    3. Far pixels belong to a structure if they are the majority of some window of 3 x 3 pixels (2 x 3 pixels suffice).
       The bulk is extended to the medians of these windows.
    4. Values farther from the extended bulk than it is wide are outliers. The range is that of the other values.

    So the bulk takes at least a third of the grey scale unless a structure lies outside of it, isolated pixels and
    lines one pixel wide never darken a picture, and structures two pixels wide are always inside the range. If the bulk
    is a single value, as the background of a nearly empty picture, or if there are fewer than 16 pixels, nothing is an
    outlier. Without outliers the range is minimum to maximum. NaN and infinities are left out; they are shown as black,
    infinity as white.

    In one row of the pixels 10, 11, …, 25 and 4000, the bulk is 12 to 24, 4000 lies farther from it than its width of
    12, and no window of three pixels holds two such values: the range is 10 to 25.
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
        if not is_finite.any():
            raise ValueError("it has no finite value")
        last = int(is_finite.sum()) - 1
        tail = math.ceil(max(_TAIL * last, min(_LEAST, last / 8)))
        ends = tail, last - tail
        bottom, top = (float(value) for value in np.partition(values[is_finite], ends)[list(ends)])
        filled = np.where(is_finite, values, bottom)
        if top <= bottom or last + 1 < _FEWEST:
            return cls(float(filled.min()), float(filled.max()))
        return cls(-_limit(-filled, -top, -bottom), _limit(filled, bottom, top))

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


def _limit(values: NDArray[np.floating], bottom: float, top: float) -> float:
    """The largest value that is no outlier.

    Args:
        values: the picture, ``[height, width]``, all finite.
        bottom: lower end of the bulk.
        top: upper end of the bulk.
    """
    far = top + (top - bottom)
    if (largest := float(values.max())) <= far:
        return largest
    sides = tuple(_SIDE if side >= _SIDE else 1 for side in values.shape)
    size = math.prod(sides)
    windows = sliding_window_view(values, sides)
    holds_structure = sliding_window_view(values > far, sides).sum(axis=(-2, -1)) > size // 2
    if holds_structure.any():
        top = max(top, float(np.median(windows[holds_structure].reshape(-1, size), axis=1).max()))
    return float(values[values <= top + (top - bottom)].max())
