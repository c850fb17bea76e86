"""Samples that a person practises with: those of shards, in random order, each read when it is shown."""

import random
import threading
from collections.abc import Sequence
from pathlib import Path

from medix.data.manifest import read_manifests
from medix.data.shards import Shard
from medix.types import Sample


class PracticeSamples:
    """Samples by their place in the order.

    Args:
        data: manifests, folders of manifests, or patterns.
        seed: of the order.

    Raises:
        ManifestError: there are none, or one is not valid.
    """

    def __init__(self, data: Sequence[str | Path], seed: int = 1) -> None:
        self._shards = [Shard(manifest, entry) for manifest in read_manifests(data) for entry in manifest.shards]
        self._places = [(which, ordinal) for which, shard in enumerate(self._shards) for ordinal in range(len(shard))]
        if not self._places:
            raise ValueError(f"--practice {' '.join(map(str, data))}: has no samples; build shards with some")
        random.Random(seed).shuffle(self._places)
        self._turn = threading.Lock()

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, place: int) -> Sample:
        if not 0 <= place < len(self._places):
            raise IndexError(f"sample {place} of {len(self)}")
        which, ordinal = self._places[place]
        with self._turn:
            return self._shards[which][ordinal]

    def close(self) -> None:
        """Close the files."""
        for shard in self._shards:
            shard.close()
