"""Selection of the samples that an epoch contains, and how often."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medix.data.manifest import Manifest


@dataclass(frozen=True)
class Mixture:
    """A selection of samples, the same in every epoch.

    Limits select evenly spaced samples in stored order, so that neighbouring samples (questions on one image) are
    subsampled and every shard keeps its share.

    Args:
        repeat: how often an epoch contains each sample of a modality; 1 for modalities not named.
        limit: maximum number of samples of a modality, before they are repeated.
        total: maximum number of samples per epoch.
    """

    repeat: Mapping[str, int] = field(default_factory=dict)
    limit: Mapping[str, int] = field(default_factory=dict)
    total: int | None = None

    def __post_init__(self) -> None:
        bad = {f"{name}.{key}": value for name in ("repeat", "limit") for key, value in getattr(self, name).items()
               if value < 1}  # fmt: skip
        if self.total is not None and self.total < 1:
            bad["total"] = self.total
        if bad:
            raise ValueError(f"mixture: {bad} below 1; give 1 or more, or leave the manifest out")

    def select(self, manifests: Sequence[Manifest]) -> list[NDArray[np.intp]]:
        """For every shard, in the order of the manifests, the ordinals of the samples in an epoch.

        Raises:
            ValueError: no manifest has one of the named modalities.
        """
        known = {manifest.modality for manifest in manifests}
        if unknown := sorted((self.repeat.keys() | self.limit.keys()) - known):
            raise ValueError(
                f"mixture: no manifest has modality {', '.join(unknown)}; available: {', '.join(sorted(known))}"
            )
        sizes = [shard.samples for manifest in manifests for shard in manifest.shards]
        starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.intp)])
        kept = []
        for modality in sorted(known):
            members = np.repeat([m.modality == modality for m in manifests], [m.samples for m in manifests])
            indices = _evenly(np.flatnonzero(members), self.limit.get(modality))
            kept.append(np.repeat(indices, self.repeat.get(modality, 1)))
        indices = _evenly(np.sort(np.concatenate(kept or [starts[:0]])), self.total)
        parts = np.split(indices, np.searchsorted(indices, starts[1:-1]))
        return [part - start for part, start in zip(parts, starts, strict=False)]


def _evenly(indices: NDArray[np.intp], limit: int | None) -> NDArray[np.intp]:
    if limit is None or limit >= len(indices):
        return indices
    chosen: NDArray[np.intp] = indices[np.arange(limit) * len(indices) // limit]
    return chosen
