"""How far raters agree with each other and with themselves, and whether a side attracts them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from medix.evaluation.statistics import Interval, proportion
from medix.judge.agreement import krippendorff_alpha
from medix.studies.preference.rating import Rating


@dataclass(frozen=True)
class Consistency:
    """Agreement and position bias of a study.

    Attributes:
        ratings: all ratings, repeats too.
    """

    ratings: Sequence[Rating]

    @cached_property
    def shared(self) -> list[list[str]]:
        """What was said of each comparison that two or more raters decided: the model, a tie, or neither."""
        said: dict[int, list[str]] = {}
        for rating in self.ratings:
            if not rating.is_repeat:
                said.setdefault(rating.comparison, []).append(rating.said)
        return [ones for ones in said.values() if len(ones) > 1]

    @property
    def alpha(self) -> float:
        """Krippendorff's alpha of the four things that can be said; NaN if undefined."""
        codes = {said: float(code) for code, said in enumerate(sorted({said for ones in self.shared for said in ones}))}
        return krippendorff_alpha([[codes[said] for said in ones] for ones in self.shared])

    @property
    def agreement(self) -> float:
        """Share of the pairs of ratings of one comparison that say the same; NaN without any."""
        pairs = [one == other for ones in self.shared for one, other in combinations(ones, 2)]
        return sum(pairs) / len(pairs) if pairs else math.nan

    @cached_property
    def again(self) -> list[bool]:
        """Of each comparison that a rater decided twice, whether the second time said the same as the first."""
        first = {(one.rater, one.comparison): one.said for one in self.ratings if not one.is_repeat}
        return [
            first[one.rater, one.comparison] == one.said
            for one in self.ratings
            if one.is_repeat and (one.rater, one.comparison) in first
        ]

    @cached_property
    def left(self) -> Interval:
        """Share of ratings with a preference that prefer the left answer, clustered by case, with an exact p-value.

        Sides are random, so that it is a half if they do not matter, whichever model is better. The p-value is that of
        the binomial test; where raters see one comparison with the sides exchanged it is conservative.
        """
        from scipy.stats import binomtest

        decided = [rating for rating in self.ratings if rating.winner is not None]
        values = [float(rating.choice == "left") for rating in decided]
        found = proportion(values, [rating.cluster for rating in decided])
        p_value = float(binomtest(int(sum(values)), len(values)).pvalue) if values else math.nan
        return Interval(
            found.estimate, found.low, found.high, found.count, found.clusters, found.method, found.error, p_value
        )
