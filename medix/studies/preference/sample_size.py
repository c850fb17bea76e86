"""How many comparisons an interval of the wished width takes, before the study starts."""

import math
from dataclasses import dataclass

import numpy as np

from medix.evaluation.crossed import crossed_freedom
from medix.evaluation.statistics import FEWEST_CLUSTERS, wilson_ends

LEVEL = 0.05
"""Of the exact test."""

_DRAWS = 64
"""Of the spread of raters' means, over which the width is averaged, and of the number of cases with a majority."""

_SMALL = 1e-6
"""How near a share or correlation of 0 or 1 is taken, where a beta distribution has none."""


@dataclass(frozen=True)
class SampleSize:
    """What is expected of a study of two models.

    The interval is Wilson's of the share of wins among the ratings with a preference, as in the report. Every rater
    rates the comparisons of the overlap, and one rater each of the others. Several ratings of one case, by several
    raters or of several comparisons, count for less: of independent ratings with the same error there would be
    1 / (1 / N + r P / K²), where N of K ratings have a preference, P pairs of ratings are of one case, counted both
    ways, and r is the correlation within cases. Where a case has several ratings there is no interval while fewer than
    ``FEWEST_CLUSTERS`` cases are expected to have a preference, since nothing says how much these differ; one rating
    each is enough for any number.

    How much raters differ from each other is not in it: it cannot be known before. With ``FEWEST_CLUSTERS`` raters or
    more the report measures it (``crossed_proportion``), and its interval is wider even if they do not differ, since
    few raters cannot show that: the width is then the mean of what the report gives, over the chi-square distribution
    that the spread of raters' means has without differences.

    Args:
        wins: expected share of wins.
        ties: expected share of comparisons without a preference.
        per_case: comparisons of one case.
        correlation: of the preferences within a case, also between raters of one comparison.
        raters: number of raters.
        overlap: comparisons that all raters make; of several pairs of models, the share of this one.
    """

    wins: float = 0.5
    ties: float = 0.25
    per_case: float = 1.0
    correlation: float = 0.3
    raters: int = 1
    overlap: float = 0

    def __post_init__(self) -> None:
        for name, low, high in (("wins", 0, 1), ("ties", 0, 0.99), ("correlation", 0, 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"--{name} {value:g}: must be between {low} and {high}")
        if not self.per_case >= 1:
            raise ValueError(f"--per-case {self.per_case:g}: must be 1 or more")

    def ratings(self, comparisons: float) -> float:
        """The number of ratings of a number of comparisons, those without a preference among them."""
        return comparisons + (self.raters - 1) * min(self.overlap, comparisons)

    def independent(self, comparisons: float) -> float:
        """The number of independent ratings with a preference that a number of comparisons is worth."""
        by_case, _ = self._errors(comparisons)
        return 1 / by_case

    def _errors(self, comparisons: float) -> tuple[float, float]:
        """Squared errors of the share of wins by case, and by case and rater, in units of its variance p (1 - p)."""
        ratings, shared = self.ratings(comparisons), min(self.overlap, comparisons)
        alone = 1 / (ratings * (1 - self.ties))
        in_comparison = shared * self.raters * (self.raters - 1) / ratings**2
        in_case = (self.per_case - 1) / comparisons  # any two comparisons of a case are as often shared as others
        both = alone + self.correlation * in_case / self.raters
        return alone + self.correlation * (in_comparison + in_case), both

    def cases(self, comparisons: float) -> int:
        """The number of cases with a preference that is expected of a number of comparisons."""
        shared = min(self.overlap, comparisons) / max(comparisons, 1)
        tied = shared * self.ties**self.raters + (1 - shared) * self.ties
        return round(self._all_cases(comparisons) * (1 - math.pow(tied, self.per_case)))

    def _all_cases(self, comparisons: float) -> int:
        return math.floor(comparisons / self.per_case + _SMALL)  # a quotient of quotients: 5.999… cases are six

    @property
    def _has_one_each(self) -> bool:
        return self.per_case == 1 and (self.raters == 1 or self.overlap == 0)

    @property
    def fewest_cases(self) -> int:
        """The fewest cases with a preference that the report gives an interval for."""
        return 1 if self._has_one_each else FEWEST_CLUSTERS

    def half_width(self, comparisons: float) -> float:
        """Half the width of the 95 % interval of the share of wins, on average over studies whose raters are alike.

        NaN where the report gives no interval.
        """
        from scipy.stats import norm, t

        cases = self.cases(comparisons)
        if cases < self.fewest_cases:
            return math.nan
        if min(self.raters, cases) >= FEWEST_CLUSTERS:
            ends = self._crossed_ends(comparisons, cases)
        else:
            quantile = norm.ppf(0.975) if self._has_one_each else t.ppf(0.975, self._freedom(cases))
            ends = wilson_ends(self.wins, self.independent(comparisons), float(quantile))
        return (ends[1] - ends[0]) / 2

    def _freedom(self, cases: int) -> float:
        """Degrees of freedom that the report finds: those of cases of one value each, of which the rarer hold most."""
        skew = (1 - 2 * self.wins) ** 2
        return max(FEWEST_CLUSTERS - 1, min(cases - 1, 2 * cases * self.wins * (1 - self.wins) / max(skew, _SMALL)))

    def _crossed_ends(self, comparisons: float, cases: int) -> tuple[float, float]:
        """Means of the ends of the interval that allows for differences between raters.

        The squared error by rater is that by case and rater, less what raters of the same cases have in common, times
        a chi-square over its degrees of freedom.
        """
        from scipy.stats import chi2, t

        by_case, both = self._errors(comparisons)
        most = self.ratings(comparisons) * (1 - self.ties)
        spread = chi2.ppf((np.arange(_DRAWS) + 0.5) / _DRAWS, self.raters - 1) / (self.raters - 1)
        ends = []
        for by_rater in (spread * (both - (by_case - both) / (self.raters - 1))).tolist():
            variance = max(by_case + by_rater - both, by_case, by_rater)
            freedom = crossed_freedom((by_case, by_rater), (cases, self.raters), variance)
            ends.append(wilson_ends(self.wins, min(1 / variance, most), float(t.ppf(0.975, freedom))))
        low, high = np.mean(ends, axis=0).tolist()
        return low, high

    def comparisons(self, half_width: float) -> int:
        """The smallest number of comparisons with an interval, of at most this half width.

        Raises:
            ValueError: it is not between 0 and a half.
        """
        if not 0.001 <= half_width < 0.5:
            raise ValueError(f"--half-width {half_width:g}: must be from 0.001 to below 0.5; 0.05 is ± 5 points")
        low, high = 0, 1
        if self.fewest_cases < FEWEST_CLUSTERS:
            # of fewer cases the interval does not allow for raters, and may be narrower than beyond
            while self.cases(high) < FEWEST_CLUSTERS and not self.half_width(high) <= half_width:
                high += 1
        while not self.half_width(high) <= half_width:  # NaN without an interval
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self.half_width(middle) <= half_width else (middle, high)
        return high

    def power(self, comparisons: float) -> float:
        """Probability that the two-sided exact binomial test finds the share of wins to differ from a half.

        As in the report each case counts once, by the majority of its ratings, and not where these are even. Cases have
        shares of wins of a beta distribution, which gives their ratings the correlation.
        """
        from scipy.stats import binom

        first, second = self._majorities(comparisons)
        middles = (np.arange(_DRAWS) + 0.5) / _DRAWS
        counts = binom.ppf(middles, self._all_cases(comparisons), min(first + second, 1))
        few = binom.ppf(LEVEL / 2, counts, 0.5)
        few -= binom.cdf(few, counts, 0.5) > LEVEL / 2  # the most that are significantly few
        share = first / (first + second)
        found = binom.cdf(few, counts, share) + binom.sf(counts - few - 1, counts, share)
        return float(np.mean(found))

    def _majorities(self, comparisons: float) -> tuple[float, float]:
        """Probabilities that most ratings with a preference of one case prefer the first model, and the second."""
        from scipy.stats import betabinom, binom

        shared = min(self.overlap, comparisons) / comparisons
        least = math.floor(self.per_case)
        decided = np.zeros((least + 1) * self.raters + 1)
        for size, weight in ((least, 1 + least - self.per_case), (least + 1, self.per_case - least)):
            for common, chance in enumerate(weight * binom.pmf(np.arange(size + 1), size, shared)):
                ratings = size + common * (self.raters - 1)
                decided[: ratings + 1] += chance * binom.pmf(np.arange(ratings + 1), ratings, 1 - self.ties)
        correlation = min(max(self.correlation, _SMALL), 1 - _SMALL)
        wins = min(max(self.wins, _SMALL), 1 - _SMALL)
        scale = (1 - correlation) / correlation
        numbers = np.arange(len(decided))
        first, second = (
            float(decided @ betabinom.sf(numbers // 2, numbers, share * scale, (1 - share) * scale))
            for share in (wins, 1 - wins)
        )
        return first, second
