"""The first samples of a stream, for checks before a run."""

import time

from medix.data.stream import Stream
from medix.types import Sample


def first_samples(stream: Stream, count: int, seconds: float) -> list[Sample]:
    """The first samples in the order of the stream, which mixes modalities and reads each shard once.

    Nothing is downloaded: samples of remote shards that are not in the cache are passed over.

    Args:
        stream: one epoch of it is read at most.
        count: largest number of samples.
        seconds: time limit, after which no further samples are read.

    Raises:
        ShardError: a shard is not what its manifest says.
    """
    found: list[Sample] = []
    end = time.monotonic() + seconds
    for index in range(len(stream)):
        if len(found) == count or time.monotonic() > end:
            break
        if stream.shards.shards[stream.order.locate(index).shard].is_local:
            found.append(stream[index])
    return found
