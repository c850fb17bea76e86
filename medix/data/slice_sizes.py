"""Number of samples by modality, source and data set."""

from collections import Counter

from medix.data.split_rows import RowReader
from medix.data.stream import Stream

MAX_SAMPLES = 200_000
"""Sources of larger streams are not counted: reading their index takes seconds."""


def slice_sizes(stream: Stream) -> dict[tuple[str, str], int]:
    """Distinct samples of a stream by kind and name, such as ``("modality", "CT_SCAN")``, and ``("", "")`` for all.

    Sources are counted if the index holds them for all samples; nothing but the index is read.
    """
    sizes: Counter[tuple[str, str]] = Counter()
    for shard, ordinals in zip(stream.shards.shards, stream.selected, strict=True):
        distinct = len(set(ordinals.tolist()))
        for name in (("", ""), ("modality", shard.manifest.modality), ("dataset", shard.manifest.dataset)):
            sizes[name] += distinct
    if len(stream) <= MAX_SAMPLES:
        sizes.update(_sources(stream))
    return dict(sizes)


def _sources(stream: Stream) -> Counter[tuple[str, str]]:
    """Distinct samples by source; empty if the index does not hold the source of every sample."""
    sizes: Counter[tuple[str, str]] = Counter()
    for _, ordinals, rows in RowReader(max_read_bytes=0).of_shards("train", stream):
        distinct = set(ordinals.tolist())
        sources = [rows[ordinal].source for ordinal in distinct] if rows else []
        if None in sources or len(sources) < len(distinct):
            return Counter()
        sizes.update(("source", source or "") for source in sources)
    return sizes
