"""Pairs of 64-bit codes that differ in few bits, without comparing every pair."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint64]
Numbers = NDArray[np.int64]

_BANDS, _WIDTH = 4, 16
_MOST_PAIRS = 1 << 21
"""Candidates that are compared at a time: 2 million take some 50 MB."""


def pairs_within(codes: Codes, queries: Codes, radius: int) -> Iterator[tuple[Numbers, Numbers]]:
    """Pairs of a query and a code whose Hamming distance is at most ``radius``, each once, in blocks.

    Multi-index hashing (Norouzi, Punjani, Fleet 2012): the 64 bits are cut into four bands of 16. Two codes that differ
    in at most r bits differ in at most r // 4 bits of one band at least, so that it is enough to look up, for each
    band, the codes whose band differs from the query's in so few bits. No pair is missed. For codes spread evenly a
    query is compared with 4 * (number of bands within r // 4 bits) * n / 65,536 codes instead of n.

    Args:
        codes: n codes.
        queries: m codes.
        radius: largest number of bits in which a pair may differ; from 0 to 15.

    Yields:
        Indices of queries and of codes, of equal length.

    Raises:
        ValueError: the radius is out of range.
    """
    if not 0 <= radius < 16:
        raise ValueError(f"radius: {radius} bits; give 0 to 15")
    bits = radius // _BANDS
    for band in range(_BANDS):
        keys, wanted = _band(codes, band), _band(queries, band)
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], np.arange((1 << _WIDTH) + 1))
        for mask in _masks(bits):
            probe = wanted ^ mask
            for query, position in _ranges(starts[probe], starts[probe + 1]):
                code = order[position]
                difference = queries[query] ^ codes[code]
                is_near = np.bitwise_count(difference) <= radius
                query, code, difference = query[is_near], code[is_near], difference[is_near]
                for earlier in range(band):  # in which the pair was found already
                    is_new = np.bitwise_count(_band(difference, earlier)) > bits
                    query, code, difference = query[is_new], code[is_new], difference[is_new]
                if len(query):
                    yield query, code


def _band(codes: Codes, band: int) -> Numbers:
    return (codes >> np.uint64(band * _WIDTH)).astype(np.uint16).astype(np.int64)


def _masks(bits: int) -> list[int]:
    """All 16-bit numbers with at most so many bits set."""
    return [
        sum(1 << place for place in places)
        for count in range(bits + 1)
        for places in combinations(range(_WIDTH), count)
    ]


def _ranges(low: Numbers, high: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    """The index of each range with every number in it, in blocks of bounded size."""
    counts = high - low
    filled = np.flatnonzero(counts)
    ends = np.cumsum(counts[filled])
    begin = 0
    while begin < len(filled):
        before = ends[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(ends, before + _MOST_PAIRS, side="right")))
        rows = filled[begin:end]
        sizes = counts[rows]
        offsets = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        yield np.repeat(rows, sizes), np.repeat(low[rows], sizes) + offsets
        begin = end
