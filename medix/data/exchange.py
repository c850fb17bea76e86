"""Images exchanged between cases: the control that tells what a policy has from images, and what from texts."""

from dataclasses import replace
from functools import cached_property
from typing import Protocol, runtime_checkable

from medix.data.stream import permutation
from medix.types import Sample


@runtime_checkable  # beartype checks it in tests
class Samples(Protocol):
    """Anything that gives samples by index."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Sample: ...


class ExchangedImages:
    """The samples of a stream, each with the images of a sample of another case that has as many.

    Question, reference, modality and aliases stay, so a policy that reads the images is wrong about as often as
    chance, and one that reads texts alone is as right as before. The exchange is a pure function of the stream and the
    seed. Text-only samples stay as they are.

    Args:
        stream: of one epoch, in stored order.
        seed: decides who gets whose images.

    Raises:
        ValueError: a sample has images and no sample of another case has as many.
    """

    def __init__(self, stream: Samples, seed: int = 1) -> None:
        self.stream = stream
        self.seed = seed

    def __len__(self) -> int:
        return len(self.stream)

    def __getitem__(self, index: int) -> Sample:
        sample = self.stream[index]
        return replace(sample, images=self.stream[self._partner[index % len(self)]].images) if sample.images else sample

    @cached_property
    def _partner(self) -> list[int]:
        """For each sample, whose images it gets: the next in a permutation with another case and as many images."""
        facts = [
            (sample.case or sample.id, len(sample.images)) for sample in (self.stream[i] for i in range(len(self)))
        ]
        order = [int(index) for index in permutation(len(self), self.seed)]
        partner = list(range(len(self)))
        for here, index in enumerate(order):
            case, images = facts[index]
            following = (order[(here + step) % len(order)] for step in range(1, len(order)))
            found = next((i for i in following if facts[i][0] != case and facts[i][1] == images), None)
            if found is None and images:
                raise ValueError(
                    f"data.exchange_images: no sample of another case has {images} images like sample "
                    f"{self.stream[index].id!r}; evaluate on a split of several cases"
                )
            partner[index] = index if found is None else found
        return partner
