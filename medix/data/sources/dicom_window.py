"""Display windows of DICOM images: the values shown as black and as white."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medix.data.grey_range import GreyRange

NAMED = {
    "abdomen": (50.0, 400.0),
    "bone": (400.0, 1800.0),
    "brain": (40.0, 80.0),
    "liver": (30.0, 150.0),
    "lung": (-600.0, 1500.0),
    "mediastinum": (50.0, 350.0),
    "spine": (50.0, 250.0),
    "stroke": (40.0, 40.0),
    "subdural": (75.0, 215.0),
    "temporal-bone": (600.0, 2800.0),
}
"""Centre and width in Hounsfield units, as they are in common use for CT; no standard defines them."""

FILE = "file"
_NUMBERS = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)/([0-9]+(?:\.[0-9]+)?)")


@dataclass(frozen=True)
class LinearWindow:
    """Values up to ``low`` are black, those from ``high`` on white, and those between in proportion."""

    low: float
    high: float

    @classmethod
    def of(cls, center: float, width: float) -> "LinearWindow":
        """The function ``LINEAR`` of PS3.3 C.11.2.1.2.1, which counts a window of width w as w - 1 steps."""
        return cls(center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2)

    @classmethod
    def exact(cls, center: float, width: float) -> "LinearWindow":
        """The function ``LINEAR_EXACT`` of PS3.3 C.11.2.1.3.2."""
        return cls(center - width / 2, center + width / 2)

    def eight_bits(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The picture from 0 (black) to 255 (white)."""
        if self.high <= self.low:  # of width 1
            return np.where(values > self.low, 255, 0).astype(np.uint8)
        return GreyRange(self.low, self.high).eight_bits(values)


@dataclass(frozen=True)
class SigmoidWindow:
    """The function ``SIGMOID`` of PS3.3 C.11.2.1.3.1."""

    center: float
    width: float

    def eight_bits(self, values: NDArray[np.floating]) -> NDArray[np.uint8]:
        """The picture from 0 (black) to 255 (white)."""
        exponent = np.clip(-4.0 * (values - self.center) / self.width, -700.0, 700.0)  # exp stays finite
        grey: NDArray[np.uint8] = np.rint(255.0 / (1.0 + np.exp(exponent))).astype(np.uint8)
        return grey


@dataclass(frozen=True)
class WindowChoice:
    """Which window is applied.

    Attributes:
        name: ``file``, a name of ``NAMED``, or ``CENTER/WIDTH`` as given.
        numbers: centre and width; None for ``file``.
    """

    name: str = FILE
    numbers: tuple[float, float] | None = None

    @classmethod
    def parse(cls, text: str) -> "WindowChoice":
        """The choice that ``--window`` gives.

        Raises:
            ValueError: it is none.
        """
        if text == FILE:
            return cls()
        found = _NUMBERS.fullmatch(text)
        numbers = (float(found[1]), float(found[2])) if found else NAMED.get(text)
        if numbers is None or numbers[1] < 1:
            raise ValueError(
                f"--window {text}: is no window; give {FILE}, one of {', '.join(NAMED)}, or CENTER/WIDTH such as "
                "40/400 with a width of 1 or more"
            )
        return cls(text, numbers)

    @property
    def needs_hounsfield(self) -> bool:
        """Whether it is a named window, which means something on the scale of CT only."""
        return self.name in NAMED


OF_FILE = WindowChoice()
"""The window of each file."""
