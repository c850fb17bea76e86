"""Exchange of images between cases: a control experiment that shows how much accuracy depends on the images."""

from dataclasses import replace
from functools import cached_property
from typing import Protocol, runtime_checkable

from medix.data.stream import Stream, permutation
from medix.types import Sample


@runtime_checkable  # beartype checks it in tests
class Samples(Protocol):
    """Any container of samples by index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


class ExchangedImages:
    """The samples of a stream, each with the images of a sample of another case that has the same number of images.

    Question, reference, modality and aliases do not change, so that a policy that relies on the images drops to chance
    level, and a policy that relies only on the text stays as accurate as before. The exchange is a pure function of the
    stream and the seed. Text-only samples do not change. A case is (data set, case); a sample without a case is a case
    of its own.

    Args:
        stream: samples of one epoch, in stored order.
        seed: seed of the exchange.

    Raises:
        ValueError: for a sample with images, no sample of another case has the same number of images.
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
        has as many images."""
        facts = [(sample.cluster, len(sample.images)) for sample in (self.stream[i] for i in range(len(self)))]
        order = [int(index) for index in permutation(len(self), self.seed)]
        partner = list(range(len(self)))
        for here, index in enumerate(order):
            case, images = facts[index]
            following = (order[(here + step) % len(order)] for step in range(1, len(order)))
            found = next((i for i in following if facts[i][0] != case and facts[i][1] == images), None)
            if found is None and images:
                raise ValueError(
                    f"data.exchange_images: no sample of another case has {images} images like sample "
                    f"{self.stream[index].id!r}; evaluate on a split with several cases"
                )
            partner[index] = index if found is None else found
        return partner
