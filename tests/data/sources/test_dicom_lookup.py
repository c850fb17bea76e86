"""Lookup tables of DICOM images."""

import numpy as np
import pytest

from medix.data.sources.dicom_header import DicomHeader
from medix.data.sources.dicom_lookup import LookupTable
from medix.data.sources.source import RowError
from tests.support.dicoms import item


def table(descriptor: list[int], data: object, is_signed: bool = False, big_endian: bool = False) -> LookupTable:
    return LookupTable.of(DicomHeader(item(LUTDescriptor=descriptor, LUTData=data)), is_signed, big_endian)


def test_a_table_by_hand() -> None:
    """Four entries from value 10 on: 9 gets the first, 12 the third, 99 the last; 11.6 is nearest to 12."""
    found = table([4, 10, 12], [0, 100, 4095, 7])
    assert found.apply(np.array([9, 10, 11, 12, 13, 99])).tolist() == [0, 0, 100, 4095, 7, 7]
    assert found.apply(np.array([11.6, -1e6])).tolist() == [4095, 0]
    assert found.eight_bits(np.array([10, 11, 12])).tolist() == [0, 6, 255]  # 100 of 4095 is 6.2 of 255


def test_the_first_value_may_be_negative() -> None:
    """-2 as an unsigned number of 16 bits is 65534."""
    assert table([2, 0xFFFE, 8], [3, 5], is_signed=True).apply(np.array([-2, -1])).tolist() == [3, 5]
    assert table([2, 0xFFFE, 8], [3, 5]).first == 65534


def test_zero_entries_are_all_of_16_bits() -> None:
    found = table([0, 0, 16], np.arange(65536, dtype="<u2").tobytes())
    assert found.entries.size == 65536
    assert found.eight_bits(np.array([0, 257, 65535])).tolist() == [0, 1, 255]


@pytest.mark.parametrize(
    ("data", "big_endian"), [(b"\x01\x00\xff\x00", False), (b"\x00\x01\x00\xff", True), (b"\x01\xff", False)]
)
def test_entries_as_bytes(data: bytes, big_endian: bool) -> None:
    assert table([2, 0, 8], data, big_endian=big_endian).entries.tolist() == [1, 255]


@pytest.mark.parametrize(
    ("descriptor", "data", "match"),
    [
        ([4, 0], [1, 2], "described by three numbers"),
        ([4, 0, 8], [1, 2], "fewer entries than the 4 described"),
        ([4, 0, 8], b"\x01", "fewer entries"),
        ([2, 0, 33], [1, 2], "33 bits per entry"),
    ],
)
def test_tables_that_are_none(descriptor: list[int], data: object, match: str) -> None:
    with pytest.raises(RowError, match=match):
        table(descriptor, data)
