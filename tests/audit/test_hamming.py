"""Pairs of codes that differ in few bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medix.audit import hamming
from medix.audit.hamming import pairs_within


def found(codes: list[int], queries: list[int], radius: int) -> list[tuple[int, int]]:
    blocks = pairs_within(np.array(codes, np.uint64), np.array(queries, np.uint64), radius)
    return [pair for one, other in blocks for pair in zip(one.tolist(), other.tolist(), strict=True)]


def test_the_distance_is_the_number_of_bits_that_differ() -> None:
    """0b0011 and 0b0101 differ in two bits, 0 and 2^63 in one, 0 and 0b0111 in three."""
    assert found([0b0011], [0b0101], 2) == [(0, 0)]
    assert found([0b0011], [0b0101], 1) == []
    assert found([0, 1 << 63], [0], 1) == [(0, 0), (0, 1)]
    assert found([0b0111], [0], 2) == []


@settings(max_examples=12)
@given(st.data(), st.integers(0, 15))
def test_every_pair_is_found_once_as_by_comparing_all(data: st.DataObject, radius: int) -> None:
    """Codes near each other are drawn on purpose: bits of one code are flipped."""
    base = data.draw(st.integers(0, 2**64 - 1))
    flips = st.lists(st.integers(0, 63), max_size=18).map(lambda bits: sum({1 << bit for bit in bits}))
    codes = [base ^ flip for flip in data.draw(st.lists(flips, min_size=1, max_size=12))]
    expected = [(i, j) for i, q in enumerate(codes) for j, c in enumerate(codes) if (q ^ c).bit_count() <= radius]
    assert sorted(found(codes, codes, radius)) == expected


def test_blocks_are_bounded_and_lose_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hamming, "_MOST_PAIRS", 5)
    codes = [7] * 12
    blocks = list(pairs_within(np.array(codes, np.uint64), np.array(codes, np.uint64), 0))
    assert max(len(one) for one, _ in blocks) <= 12
    assert sum(len(one) for one, _ in blocks) == 144


@pytest.mark.parametrize("radius", [-1, 16])
def test_a_radius_that_bands_cannot_find_is_refused(radius: int) -> None:
    with pytest.raises(ValueError, match="give 0 to 15"):
        found([0], [0], radius)
