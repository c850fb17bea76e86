"""Exchange of images between cases: a control experiment that shows how much accuracy depends on the images."""

import hashlib
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple, Protocol, runtime_checkable

from medix.data.stream import Stream, permutation
from medix.types import Cluster, Sample


@runtime_checkable  # beartype checks it in tests
class Samples(Protocol):
    """Any container of samples by index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


class ExchangedImages:
    """The samples of a stream, each with the images of a sample of another case that has as many, all of them others.

    Question, reference, modality and aliases do not change, so that a policy that relies on the images drops to chance
    level, and a policy that relies only on the text stays as accurate as before. The exchange is a pure function of the
    stream and the seed. Text-only samples do not change. A case is (data set, case); a sample without a case is a case
    of its own.

    Args:
        stream: samples of one epoch, in stored order.
        seed: seed of the exchange.

    Raises:
        ValueError: for a sample with images, no sample of another case has as many images, all of them others.
    """

    def __init__(self, stream: Samples, seed: int = 1) -> None:
        self.stream = stream
        self.seed = seed

    def __len__(self) -> int:
        return len(self.stream)

    def __getitem__(self, index: int) -> Sample:
        sample = self.stream[index]
        return replace(sample, images=self.stream[self._partner[index % len(self)]].images) if sample.images else sample

    def image_names(self, index: int) -> tuple[str, ...]:
        """Where the images that a sample is given are stored; empty for samples that are no ``Stream``."""
        stream = self.stream
        return stream.image_names(self._partner[index % len(self)]) if isinstance(stream, Stream) else ()

    @cached_property
    def _partner(self) -> list[int]:
        """Index of the sample whose images each sample gets: the next one in a permutation that is of another case and
        has as many images, all of them others. Several questions on one image often name no case."""
        facts = [ImageFacts.of(self.stream[index]) for index in range(len(self))]
        order = [int(index) for index in permutation(len(self), self.seed)]
        partner = list(range(len(self)))
        for here, index in enumerate(order):
            following = (order[(here + step) % len(order)] for step in range(1, len(order)))
            found = next((other for other in following if facts[other].can_lend(facts[index])), None)
            if found is None and facts[index].images:
                raise ValueError(
                    f"data.exchange_images: no sample of another case has {facts[index].images} other images for "
                    f"sample {self.stream[index].id!r}; evaluate on a split with several cases"
                )
            partner[index] = index if found is None else found
        return partner


class ImageFacts(NamedTuple):
    """What decides which samples can lend each other their images: another case, as many images, all of them others.

    Questions on one image often name no case, so that cases alone do not tell.
    """

    cluster: Cluster
    images: int
    digests: frozenset[bytes]

    @classmethod
    def of(cls, sample: Sample) -> "ImageFacts":
        """Those of a sample."""
        digests = frozenset(hashlib.sha256(image).digest() for image in sample.images)
        return cls(sample.cluster, len(sample.images), digests)

    def can_lend(self, to: "ImageFacts") -> bool:
        """Whether its images can stand in the place of the other's."""
        return self.cluster != to.cluster and self.images == to.images and self.digests.isdisjoint(to.digests)
