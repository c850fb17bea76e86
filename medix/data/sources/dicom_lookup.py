"""Lookup tables of DICOM images."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medix.data.sources.dicom_header import DicomHeader
from medix.data.sources.source import RowError

_ALL = 1 << 16


@dataclass(frozen=True)
class LookupTable:
    """A table from pixel values to other values (PS3.3 C.11.1.1.1, C.11.2.1.1 and C.7.6.3.1.5).

    Attributes:
        first: the value that the first entry stands for; lower values get the first entry, higher ones the last.
        entries: what values become, ``[count]``.
        bits: of an entry: they count from 0 to 2^bits - 1.
    """

    first: int
    entries: NDArray[np.integer]
    bits: int

    @classmethod
    def of(cls, item: DicomHeader, is_signed: bool, big_endian: bool = False, name: str = "LUT") -> "LookupTable":
        """Read a table.

        Args:
            item: of the sequence, or the header of an image with a palette.
            is_signed: whether the values that are looked up may be negative.
            big_endian: byte order of entries that are stored as bytes.
            name: the beginning of the keywords: ``LUT``, or for palettes ``RedPaletteColorLookupTable`` and so on.

        Raises:
            RowError: the description or the entries are missing or do not agree.
        """
        described = item.numbers(f"{name}Descriptor")
        if len(described) != 3:
            raise _fault(f"{name}Descriptor", described, "a table is described by three numbers")
        count, first, bits = (int(one) & 0xFFFF for one in described)
        if is_signed and first >= _ALL // 2:
            first -= _ALL
        if not 8 <= bits <= 16:
            raise _fault(f"{name}Descriptor", described, f"{bits} bits per entry are not defined")
        entries = _entries(item.value(f"{name}Data"), count or _ALL, big_endian)
        if entries.size < (count or _ALL):
            raise _fault(f"{name}Data", entries.size, f"there are fewer entries than the {count or _ALL} described")
        return cls(first, entries[: count or _ALL], bits)

    def apply(self, values: NDArray[Any]) -> NDArray[np.integer]:
        """Look values up; those that are not whole are rounded."""
        places = np.rint(np.clip(values, -_ALL, 2 * _ALL)).astype(np.int64) - self.first
        found: NDArray[np.integer] = self.entries[np.clip(places, 0, self.entries.size - 1)]
        return found

    def eight_bits(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Look values up and show them from 0 (black) to 255 (white)."""
        shown: NDArray[np.uint8] = np.rint(self.apply(values) * (255.0 / ((1 << self.bits) - 1))).clip(0, 255)
        return shown.astype(np.uint8)


def _entries(data: Any, count: int, big_endian: bool) -> NDArray[np.integer]:
    """Numbers, or bytes that hold one or two per entry."""
    if isinstance(data, bytes | bytearray):
        if len(data) < 2 * count:
            return np.frombuffer(bytes(data), np.uint8)
        return np.frombuffer(bytes(data[: 2 * count]), ">u2" if big_endian else "<u2")
    try:
        return np.atleast_1d(np.asarray([] if data is None else data, dtype=np.int64)) & 0xFFFF
    except (TypeError, ValueError, OverflowError):
        return np.zeros(0, np.uint16)


def _fault(key: str, value: object, why: str) -> RowError:
    return RowError(key, value, f"{why}; correct the header or leave the file out", "malformed")
