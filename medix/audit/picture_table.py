"""The images of samples and items, each file once, with what is known of it."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import NamedTuple

import numpy as np

from medix.audit.near_pictures import NearPairs, near_pairs
from medix.audit.picture_facts import PictureFacts, picture_facts
from medix.data.shards import Shard
from medix.types import image_id

_WAITING = 256
"""Encoded images that are held in memory at a time."""


class StoredImage(NamedTuple):
    """Where an image of a sample is: shard, ordinal of the sample, number of the image."""

    shard: Shard
    ordinal: int
    number: int


class PictureTable:
    """Images by number, in the order in which they were added.

    Args:
        workers: threads that decode images.
    """

    def __init__(self, workers: int = 2) -> None:
        self.facts: list[PictureFacts] = []
        self._numbers: dict[str, int] = {}
        self._places: list[StoredImage | bytes] = []
        self._pool = ThreadPoolExecutor(workers)
        self._waiting: deque[Future[PictureFacts]] = deque()

    def __len__(self) -> int:
        return len(self._places)

    def add(self, image: bytes, place: StoredImage | None = None) -> int:
        """The number of an image; it is decoded if its file is new.

        Args:
            image: the encoded image.
            place: where it can be read again; None keeps it in memory.
        """
        name = image_id(image)
        if name not in self._numbers:
            self._numbers[name] = len(self._places)
            self._places.append(image if place is None else place)
            self._waiting.append(self._pool.submit(picture_facts, image))
            if len(self._waiting) >= _WAITING:
                self.facts.append(self._waiting.popleft().result())
        return self._numbers[name]

    def finish(self) -> None:
        """Wait until all images are decoded."""
        while self._waiting:
            self.facts.append(self._waiting.popleft().result())
        self._pool.shutdown()

    def read(self, number: int) -> bytes:
        """The encoded image of a number.

        Raises:
            ShardError: its shard cannot be read any more.
        """
        place = self._places[number]
        if isinstance(place, bytes):
            return place
        with closing(place.shard) as shard:
            return shard[place.ordinal].images[place.number]

    def near(self) -> NearPairs:
        """Pairs of images that show the same, by number; images without content and unreadable ones are in none."""
        kept = np.array([n for n, facts in enumerate(self.facts) if not facts.fault and not facts.is_flat], np.int64)
        thumbnails = np.stack([self.facts[n].thumbnail for n in kept]) if len(kept) else np.zeros((0, 32, 32), np.uint8)
        found = near_pairs(thumbnails)
        return NearPairs(kept[found.first], kept[found.second], found.turn, found.correlation)
