"""The order of samples: a pure function of (seed, epoch, index).

No stateful random generator is used, so a run can continue at any index on any number of ranks and workers, and the
order does not depend on the version of NumPy.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medix.data.manifest import Manifest
from medix.data.mixture import Mixture
from medix.data.shard_cache import ShardCache
from medix.data.shards import OpenShards
from medix.types import Sample

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014), a bijection of 64-bit integers."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def draws(count: int, *key: int) -> NDArray[np.uint64]:
    """``count`` pseudo-random 64-bit numbers that depend only on the key."""
    base = 0
    for part in key:
        base = int(_mix(np.array([(base + part + _GOLDEN) & _MASK], dtype=np.uint64))[0])
    steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    return _mix(steps + np.uint64(base))


def permutation(count: int, *key: int) -> NDArray[np.intp]:
    """A permutation of ``range(count)`` that depends only on the key."""
    return np.argsort(draws(count, *key), kind="stable")


class Place(NamedTuple):
    """Where a sample is stored: the shard, and its ordinal among the samples selected from that shard."""

    shard: int
    position: int


class SampleOrder:
    """Maps a global index, which continues across epochs, to a ``Place``.

    With ``shuffle``, an epoch permutes the shards of each manifest and interleaves the manifests evenly, so that
    modalities stay mixed; consecutive shards form windows, and the samples of a window are permuted. A reader that
    keeps ``window`` shards open reads each shard once per epoch.

    Args:
        groups: for every manifest, the number of samples selected from each of its shards.
        seed: seed of every permutation.
        window: number of shards whose samples are mixed.
        shuffle: False gives the stored order in every epoch.
    """

    def __init__(self, groups: Sequence[Sequence[int]], seed: int = 1, window: int = 16, shuffle: bool = True) -> None:
        if window < 1:
            raise ValueError(f"window: {window} shards cannot be mixed; give 1 or more")
        self.counts = [count for group in groups for count in group]
        self.length = sum(self.counts)
        self.seed = seed
        self.window = window
        self.shuffle = shuffle
        self._group_sizes = [len(group) for group in groups]
        self._ends = list(accumulate(self.counts))
        # Two entries: at the end of an epoch, some workers still read it while others already read the next one.
        self._plan = lru_cache(maxsize=2)(self._make_plan)
        self._window = lru_cache(maxsize=4)(self._make_window)

    def __len__(self) -> int:
        return self.length

    def __reduce__(self) -> tuple[object, ...]:
        sizes = iter(self.counts)
        groups = [[next(sizes) for _ in range(size)] for size in self._group_sizes]
        return type(self), (groups, self.seed, self.window, self.shuffle)

    def locate(self, index: int) -> Place:
        """The place of a global index; ``index // len(self)`` is its epoch.

        Raises:
            IndexError: the index is negative, or there are no samples.
        """
        if index < 0 or not self.length:
            raise IndexError(f"index {index} of an order of {self.length} samples")
        epoch, offset = divmod(index, self.length)
        if not self.shuffle:
            shard = bisect_right(self._ends, offset)
            return Place(shard, offset - (self._ends[shard] - self.counts[shard]))
        ends = self._plan(epoch)[1]
        number = bisect_right(ends, offset)
        start = ends[number - 1] if number else 0
        shards, positions = self._window(epoch, number)
        return Place(int(shards[offset - start]), int(positions[offset - start]))

    def shard_order(self, epoch: int) -> tuple[int, ...]:
        """The shards of an epoch in the order in which they form windows."""
        return self._plan(epoch)[0]

    def shards_from(self, index: int) -> Iterator[int]:
        """The shards that are read from a global index on: those of its window, then of later ones, then of the next
        epoch; each at least once, but for those of which no sample is selected."""
        if not self.length:
            return
        epoch, offset = divmod(index, self.length)
        if self.shuffle:
            order, ends = self._plan(epoch)
            found = [*order[bisect_right(ends, offset) * self.window :], *self.shard_order(epoch + 1)]
        else:
            first = bisect_right(self._ends, offset)
            found = [*range(first, len(self.counts)), *range(first)]
        yield from (shard for shard in found if self.counts[shard])

    def _make_plan(self, epoch: int) -> tuple[tuple[int, ...], list[int]]:
        """The order of the shards, and the offset at which each window ends."""
        keyed: list[tuple[float, int, int]] = []
        first = 0
        for group, size in enumerate(self._group_sizes):
            offsets = draws(size, self.seed, epoch, 1, group) / float(1 << 64)
            for index, member in enumerate(permutation(size, self.seed, epoch, 0, group)):
                keyed.append(((index + float(offsets[index])) / size, group, first + int(member)))
            first += size
        order = tuple(shard for _, _, shard in sorted(keyed))
        windows = [order[start : start + self.window] for start in range(0, len(order), self.window)]
        return order, list(accumulate(sum(self.counts[shard] for shard in window) for window in windows))

    def _make_window(self, epoch: int, number: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Shard and position of every sample of a window, permuted."""
        members = np.array(self._plan(epoch)[0][number * self.window : (number + 1) * self.window])
        counts = np.array([self.counts[shard] for shard in members])
        shards = np.repeat(members, counts)
        positions = np.concatenate([np.arange(count) for count in counts])
        chosen = permutation(len(shards), self.seed, epoch, 2, number)
        return shards[chosen], positions[chosen]


class Stream:
    """An endless stream of samples by global index: index ``len(stream)`` is the first sample of the second epoch.

    ``selected`` holds, for each shard, the ordinals of the samples that are used.

    Args:
        manifests: manifests that list the shards.
        seed: seed of the order.
        window: number of shards whose samples are mixed, and that are kept open.
        shuffle: False gives the stored order (validation).
        mixture: selects the samples that are used.
        cache: holds downloaded shards; the default one if None.
    """

    def __init__(
        self,
        manifests: Sequence[Manifest],
        seed: int = 1,
        window: int = 16,
        shuffle: bool = True,
        mixture: Mixture | None = None,
        cache: ShardCache | None = None,
    ) -> None:
        self.manifests = tuple(manifests)
        self.mixture = mixture or Mixture()
        self.selected = self.mixture.select(self.manifests)
        selected = iter(self.selected)
        groups = [[len(next(selected)) for _ in manifest.shards] for manifest in self.manifests]
        self.order = SampleOrder(groups, seed, window, shuffle)
        self.shards = OpenShards(self.manifests, limit=window + 1, cache=cache)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, index: int | Place) -> Sample:
        """The sample at an index of the order, or at a place that a selector names."""
        shard, position = index if isinstance(index, Place) else self.order.locate(index)
        return self.shards.read(shard, int(self.selected[shard][position]))

    def key(self, place: Place) -> tuple[int, int]:
        """Identity of a sample within the stream: its shard, and its ordinal there. Repeated samples share it."""
        return place.shard, int(self.selected[place.shard][place.position])

    def image_names(self, index: int) -> tuple[str, ...]:
        """Where the images of a sample are stored, such as ``shards/val-000000.tar/000000012.0.png``."""
        shard, position = self.order.locate(index)
        return self.shards.image_names(shard, int(self.selected[shard][position]))
