"""Parts of the training samples that a selector weights, such as those of one source."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from medix.data.split_rows import RowReader
from medix.data.stream import Place, SampleOrder, Stream

Label = tuple[str, ...]
"""What the samples of a part have in common: one value per axis."""

AXES = ("modality", "source", "dataset")


class Part:
    """The samples of one label, in a shuffled order of their own: number ``len(part)`` begins the second pass.

    Args:
        label: of the part.
        positions: positions of its samples among those selected from a shard, by shard, in stored order.
        stream: what they are a part of; gives the manifests that shards belong to, and the window.
        seed: of the order.
    """

    def __init__(self, label: Label, positions: Mapping[int, NDArray[np.intp]], stream: Stream, seed: int) -> None:
        self.label = label
        self._shards = list(positions)
        self._positions = list(positions.values())
        manifests = [stream.shards.shards[shard].manifest for shard in self._shards]
        groups = [
            [len(self._positions[number]) for number in numbers]
            for _, numbers in groupby(range(len(manifests)), lambda number: id(manifests[number]))
        ]
        # From the label and not from its rank among the parts, so that another part does not change this one's order.
        own = int.from_bytes(hashlib.sha256("\0".join(label).encode("utf-8", "surrogatepass")).digest()[:4], "big")
        self._order = SampleOrder(groups, seed ^ own << 32, stream.order.window)

    def __len__(self) -> int:
        return len(self._order)

    def locate(self, number: int) -> Place:
        """The place of the sample with a number; ``number // len(self)`` is its pass."""
        shard, position = self._order.locate(number)
        return Place(self._shards[shard], int(self._positions[shard][position]))

    def shards_from(self, number: int) -> Iterator[int]:
        """The shards that are read from a number on."""
        return (self._shards[shard] for shard in self._order.shards_from(number))

    @property
    def counts(self) -> dict[int, int]:
        """Number of its samples by shard."""
        return {shard: len(positions) for shard, positions in zip(self._shards, self._positions, strict=True)}

    @property
    def open_shards(self) -> int:
        """Number of shards that are read from at the same time."""
        return min(len(self._shards), self._order.window)

    @property
    def digest(self) -> str:
        """Changes if the part gains or loses a sample."""
        found = hashlib.sha256()
        for shard, positions in zip(self._shards, self._positions, strict=True):
            found.update(f"{shard}:".encode() + positions.astype("<i8").tobytes())
        return found.hexdigest()[:16]


def parts_of(labels: Sequence[Mapping[Label, NDArray[np.intp]]], stream: Stream) -> list[Part]:
    """The parts of a stream, in the order of their labels.

    Args:
        labels: for every shard, the positions of each label among the samples selected from it.
        stream: the stream.
    """
    found: dict[Label, dict[int, NDArray[np.intp]]] = {}
    for shard, of_shard in enumerate(labels):
        for label, positions in of_shard.items():
            if len(positions):
                found.setdefault(label, {})[shard] = positions
    return [Part(label, positions, stream, stream.order.seed) for label, positions in sorted(found.items())]


def labels_by_axes(stream: Stream, axes: Sequence[str]) -> list[dict[Label, NDArray[np.intp]]]:
    """For every shard, the positions of its selected samples by their values on some axes.

    Modality and data set are those of the manifest; sources are read from the index of the shards.

    Raises:
        ValueError: the sources of some shards are not known.
    """
    values = {
        "modality": [[shard.manifest.modality] for shard in stream.shards.shards],
        "dataset": [[shard.manifest.dataset] for shard in stream.shards.shards],
    }
    if "source" in axes:
        values["source"] = _sources(stream)
    return [
        _by_label(len(ordinals), [values[axis][shard] for axis in axes])
        for shard, ordinals in enumerate(stream.selected)
    ]


def _sources(stream: Stream) -> list[list[str]]:
    """The source of every selected sample, by shard."""
    reader = RowReader()
    found: list[list[str]] = []
    for shard, ordinals, rows in reader.of_shards("train", stream):
        sources = [rows[ordinal].source for ordinal in ordinals.tolist()] if rows else []
        if None in sources:
            raise ValueError(
                f"data.selector: the index of {shard.manifest.path} does not hold the sources of its samples; write it "
                f"again with `python -m medix shards index {shard.manifest.path}`"
            )
        found.append([source or "" for source in sources])
    if missing := reader.missing["train"]:
        raise ValueError(f"data.selector: the sources of some samples are not known: {'; '.join(missing)}")
    return found


def _by_label(count: int, columns: Sequence[Sequence[str]]) -> dict[Label, NDArray[np.intp]]:
    """Positions by label; a column holds one value per position, or a single one for all of them."""
    if all(len(column) == 1 for column in columns):
        return {tuple(column[0] for column in columns): np.arange(count)}
    rows = zip(*(column if len(column) == count else list(column) * count for column in columns), strict=True)
    found: dict[Label, list[int]] = {}
    for position, label in enumerate(rows):
        found.setdefault(label, []).append(position)
    return {label: np.array(positions, dtype=np.intp) for label, positions in found.items()}
