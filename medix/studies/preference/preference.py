"""How often the answers of one model are preferred to those of another."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from medix.evaluation.crossed import crossed_proportion
from medix.evaluation.statistics import Interval
from medix.studies.preference.rating import Rating
from medix.studies.preference.samples import ModelPair
from medix.types import Cluster


@dataclass(frozen=True)
class Preference:
    """The ratings of two models against each other.

    Attributes:
        models: the two, the smaller number first.
        ratings: all ratings of this pair, each rater's first of a comparison.
    """

    models: ModelPair
    ratings: Sequence[Rating]

    @cached_property
    def raters(self) -> list[int]:
        """Those who have rated this pair, in order: not all of the study, where it is under way or dealt unevenly."""
        return sorted({rating.rater for rating in self.ratings})

    @property
    def takes_raters_as_given(self) -> bool:
        """Whether an interval of ``wins`` or ``score`` does."""
        return any(map(takes_raters_as_given, (self.wins, self.score)))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of ratings by what they say: ``first``, ``second``, ``tie`` and ``neither``."""
        said = Counter(rating.said for rating in self.ratings)
        first, second = map(str, self.models)
        return {"first": said[first], "second": said[second], "tie": said["tie"], "neither": said["neither"]}

    @cached_property
    def wins(self) -> Interval:
        """Share of the ratings with a preference that prefer the first model, clustered by case and rater."""
        decided = [rating for rating in self.ratings if rating.winner is not None]
        return share([rating.score(self.models[0]) for rating in decided], decided)

    @cached_property
    def score(self) -> Interval:
        """The same over all ratings, ties and "both unacceptable" as a half."""
        return share([rating.score(self.models[0]) for rating in self.ratings], self.ratings)

    @cached_property
    def cases(self) -> tuple[int, int, int]:
        """Number of cases whose ratings mostly prefer the first model, the second, and neither."""
        sums: dict[Cluster, float] = {}
        for rating in self.ratings:
            sums[rating.cluster] = sums.get(rating.cluster, 0.0) + rating.score(self.models[0]) - 0.5
        first, second = (sum(side * value > 0 for value in sums.values()) for side in (1, -1))
        return first, second, len(sums) - first - second

    @cached_property
    def exact(self) -> Interval:
        """Share of the cases with a majority whose majority prefers the first model, with exact interval and p-value.

        Clopper and Pearson (Biometrika 26, 1934), and the two-sided binomial test that neither is preferred. Each case
        counts once, so that the observations are independent; the raters are taken as given.
        """
        from scipy.stats import binomtest

        first, second, _ = self.cases
        count = first + second
        if not count:
            return Interval(math.nan, math.nan, math.nan, 0, 0, "exact", p_value=math.nan)
        found = binomtest(first, count)
        ends = found.proportion_ci(0.95, method="exact")
        return Interval(
            first / count, float(ends.low), float(ends.high), count, count, "exact", p_value=float(found.pvalue)
        )


def share(values: Sequence[float], ratings: Sequence[Rating]) -> Interval:
    """Mean of one value per rating, clustered by case and rater."""
    return crossed_proportion(values, [one.cluster for one in ratings], [one.rater for one in ratings])


def takes_raters_as_given(found: Interval) -> bool:
    """Whether it is an interval that holds for the raters that it is of alone: by case, not by case and rater."""
    return not math.isnan(found.low) and not found.method.startswith("crossed")


def preferences(ratings: Sequence[Rating]) -> list[Preference]:
    """One per pair of models that was compared; repeats are left out."""
    pairs: dict[ModelPair, list[Rating]] = {}
    for rating in ratings:
        if not rating.is_repeat:
            pairs.setdefault(rating.models, []).append(rating)
    return [Preference(pair, pairs[pair]) for pair in sorted(pairs)]
