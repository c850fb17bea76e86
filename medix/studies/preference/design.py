"""Who compares what, in which order, and which answer stands on which side: all from the seed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from medix.data.stream import permutation
from medix.studies.preference.samples import ModelPair, StudySample

_SAMPLES, _SIDES, _ORDER = 1, 2, 3
"""Keys of the random numbers, beside the seed."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on one sample.

    Attributes:
        sample: index of the sample.
        models: the two models.
    """

    sample: int
    models: ModelPair


@dataclass(frozen=True, slots=True)
class ComparedPair:
    """What a study plans of one pair of models.

    Attributes:
        comparisons: number of comparisons.
        cases: number of cases that they are of.
        shared: comparisons among them that all raters make.
        raters: number of raters who make any of them.
    """

    comparisons: float
    cases: float
    shared: float
    raters: int


@dataclass(frozen=True, slots=True)
class Assignment:
    """One comparison as one rater gets it.

    Attributes:
        rater: from 0.
        place: in the order of this rater, from 0.
        comparison: index of the comparison.
        is_swapped: whether the first model of the pair stands on the right.
        is_repeat: whether the rater has had it before, with the sides exchanged.
    """

    rater: int
    place: int
    comparison: int
    is_swapped: bool
    is_repeat: bool = False


@dataclass(frozen=True)
class Design:
    """The design of a study.

    Samples come in random order, with the pairs of models balanced. The first ``overlap`` comparisons go to every
    rater, who differ in turn in the sides; the others are dealt out, pair of models after pair, so that raters have
    equally many of each pair, and equally many in all, within one: else what differs between pairs would be what
    differs between raters. Of the comparisons of a rater on one pair of models, half have one model on the left, within
    one for those that all raters get and for the others.

    Args:
        raters: number of raters.
        overlap: comparisons that all raters make, at most all.
        seed: of order and sides.
        per_sample: pairs of models that are compared on one sample.
        repeats: comparisons that each rater makes again at the end, with the sides exchanged.
        limit: comparisons at most; None for all.
    """

    raters: int
    overlap: int
    seed: int
    per_sample: int = 1
    repeats: int = 0
    limit: int | None = None

    def __post_init__(self) -> None:
        least = {"raters": 1, "overlap": 0, "seed": 0, "per_sample": 1, "repeats": 0, "limit": 1}
        for name, low in least.items():
            value = getattr(self, name)
            if value is not None and value < low:
                raise ValueError(f"--{name.replace('_', '-')} {value}: must be {low} or more")

    def comparisons(self, samples: Sequence[StudySample]) -> list[Comparison]:
        """The comparisons, in random order; pairs of models whose answers are the same are left out.

        Raises:
            ValueError: the models answer the same everywhere.
        """
        order = [int(index) for index in permutation(len(samples), self.seed, _SAMPLES)]
        used: Counter[ModelPair] = Counter()
        left = {index: samples[index].differing for index in order}
        found: list[Comparison] = []
        for _ in range(self.per_sample):
            for index in order:
                if left[index]:
                    pair = min(left[index], key=lambda pair: (used[pair], pair))
                    left[index].remove(pair)
                    used[pair] += 1
                    found.append(Comparison(index, pair))
        if not found:
            raise ValueError("the models answer every sample alike, so that there is nothing to compare")
        return found[: self.limit]

    def assignments(self, comparisons: Sequence[Comparison]) -> list[Assignment]:
        """What every rater gets, rater after rater and in the rater's order.

        Raises:
            ValueError: a rater would get nothing.
        """
        shared = min(self.overlap, len(comparisons))
        if shared == 0 and len(comparisons) < self.raters:
            raise ValueError(
                f"--raters {self.raters}: there are only {len(comparisons)} comparisons; give --overlap, or fewer"
            )
        others = sorted(range(shared, len(comparisons)), key=lambda index: comparisons[index].models)
        return [
            one
            for rater in range(self.raters)
            for one in self._of(rater, comparisons, range(shared), others[rater :: self.raters])
        ]

    def _of(
        self, rater: int, comparisons: Sequence[Comparison], shared: Sequence[int], mine: Sequence[int]
    ) -> list[Assignment]:
        both = _Sides(self.seed, -1)  # of the first rater; those of the next are exchanged
        own = _Sides(self.seed, rater)
        sides = {index: both.next(comparisons[index].models) ^ bool(rater % 2) for index in shared}
        sides |= {index: own.next(comparisons[index].models) for index in mine}
        dealt = list(sides)
        order = [dealt[int(place)] for place in permutation(len(dealt), self.seed, _ORDER, rater)]
        first = [Assignment(rater, place, index, sides[index]) for place, index in enumerate(order)]
        again = [
            Assignment(rater, len(order) + place, index, not sides[index], True)
            for place, index in enumerate(order[: self.repeats])
        ]
        return first + again


class _Sides:
    """Alternates the sides of each pair of models, from a random one on."""

    def __init__(self, seed: int, rater: int) -> None:
        self._key = seed, _SIDES, rater + 1
        self._next: dict[ModelPair, bool] = {}

    def next(self, pair: ModelPair) -> bool:
        side = self._next.setdefault(pair, bool(permutation(2, *self._key, *pair)[0]))
        self._next[pair] = not side
        return side
