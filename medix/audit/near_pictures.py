"""Images that show the same although their files differ: re-encoded, resized, brightened, mirrored, rotated."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from medix.audit.hamming import Codes, Numbers, pairs_within

RADIUS = 11
"""Bits of 63 in which the perceptual hashes of candidates may differ."""

CORRELATION = 0.98
"""Correlation of two thumbnails from which they count as the same picture."""

TURNS = (
    "", "mirrored", "mirrored and rotated by 180°", "rotated by 180°",
    "mirrored and rotated by 90°", "rotated by 90°", "rotated by 270°", "mirrored and rotated by 270°",
)  # fmt: skip
"""How the first of two images is turned to become the second: bit 0 mirrors left and right, bit 1 top and bottom, after
bit 2 has exchanged rows and columns."""

_LOW = 8
_SILENT = 1.0
"""Coefficient up to which a frequency counts as absent, a sixteenth of a grey value: its sign would be noise."""

_BLOCK = 8192

Thumbnails = NDArray[np.uint8]
Pictures = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NearPairs:
    """P pairs of images.

    Attributes:
        first: index of the first image; smaller than that of the second.
        second: index of the second image.
        turn: index into ``TURNS``.
        correlation: Pearson's correlation of the thumbnails, the first one turned.
    """

    first: Numbers
    second: Numbers
    turn: Numbers
    correlation: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.first)


def near_pairs(thumbnails: Thumbnails, radius: int = RADIUS, correlation: float = CORRELATION) -> NearPairs:
    """The pairs of images that show the same, in any of the eight orientations, sorted.

    Two steps. Candidates are pairs whose perceptual hashes differ in at most ``radius`` bits: the signs of the 63
    lowest frequencies of the two-dimensional DCT of the thumbnail without its mean (as pHash, whose threshold is the
    median), found by multi-index hashing. Mirroring changes signs and rotation transposes, so that the hashes of the
    other orientations cost nothing. Of the candidates, those count whose thumbnails correlate: slices of different
    patients often have similar hashes.

    Args:
        thumbnails: of n images, shape [n, 32, 32]; none of them flat.
        radius: of the hashes.
        correlation: smallest correlation.
    """
    hashes = perceptual_hashes(thumbnails)
    found: list[tuple[Numbers, Numbers, NDArray[np.float64]]] = []
    for turn in range(len(TURNS)):
        for first, second in pairs_within(hashes[0], hashes[turn], radius):
            is_ordered = first < second
            for one, other in _blocks(first[is_ordered], second[is_ordered]):
                values = np.einsum(
                    "nij,nij->n", _turned(_unit(thumbnails[one]), turn), _unit(thumbnails[other]), dtype=np.float64
                )
                kept = values >= correlation
                found.append((one[kept] * len(thumbnails) + other[kept], np.full(kept.sum(), turn), values[kept]))
    if not found:
        none = np.zeros(0, np.int64)
        return NearPairs(none, none, none, np.zeros(0))
    keys, turns, values = map(np.concatenate, zip(*found, strict=True))
    order = np.lexsort((turns, -values, keys))  # the best orientation of each pair first
    pairs, place = np.unique(keys[order], return_index=True)
    first, second = np.divmod(pairs, len(thumbnails))
    return NearPairs(first, second, turns[order][place], values[order][place])


def perceptual_hashes(thumbnails: Thumbnails) -> list[Codes]:
    """The hash of each image in each orientation of ``TURNS``, shape [n] each."""
    low = np.zeros((len(thumbnails), _LOW, _LOW), np.float32)
    for begin in range(0, len(thumbnails), _BLOCK):
        block = thumbnails[begin : begin + _BLOCK].astype(np.float32)
        low[begin : begin + _BLOCK] = scipy.fft.dctn(block, axes=(1, 2), norm="ortho")[:, :_LOW, :_LOW]
    odd = np.where(np.arange(_LOW) % 2, -1, 1).astype(np.float32)
    hashes = []
    for turn in range(len(TURNS)):
        turned = low.transpose(0, 2, 1) if turn & 4 else low
        turned = turned * odd[:, None] if turn & 2 else turned
        turned = turned * odd if turn & 1 else turned
        bits = turned > _SILENT
        bits[:, 0, 0] = False  # the mean
        hashes.append(np.packbits(bits.reshape(len(bits), _LOW * _LOW), axis=1).view(">u8").astype(np.uint64).ravel())
    return hashes


def _blocks(first: Numbers, second: Numbers) -> Iterator[tuple[Numbers, Numbers]]:
    for begin in range(0, len(first), _BLOCK):
        yield first[begin : begin + _BLOCK], second[begin : begin + _BLOCK]


def _turned(pictures: Pictures, turn: int) -> Pictures:
    """Pictures of shape [n, 32, 32] in an orientation of ``TURNS``."""
    turned = pictures.transpose(0, 2, 1) if turn & 4 else pictures
    turned = turned[:, ::-1] if turn & 2 else turned
    return turned[:, :, ::-1] if turn & 1 else turned


def _unit(thumbnails: Thumbnails) -> Pictures:
    """Thumbnails without their mean, of length 1: products of two are correlations."""
    unit = thumbnails.astype(np.float32)
    unit -= unit.mean(axis=(1, 2), keepdims=True)
    unit /= np.maximum(np.linalg.norm(unit, axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    return unit
