"""How many comparisons an interval of the wished width takes, before the study starts."""

import math
from dataclasses import dataclass

import numpy as np

from medix.evaluation.crossed import crossed_freedom
from medix.evaluation.statistics import FEWEST_CLUSTERS, wilson_ends

LEVEL = 0.05
"""Of the exact test."""

_DRAWS = 64
"""Of the spread of raters' means, over which the width is averaged."""


@dataclass(frozen=True)
class SampleSize:
    """What is expected of a study of two models.

    The interval is Wilson's of the share of wins among the ratings with a preference, as in the report. Several
    comparisons of one case count for less by the design effect 1 + (m - 1) r for m comparisons with a correlation of r
    within cases. Where a case has several ratings there is no interval while fewer than ``FEWEST_CLUSTERS`` cases are
    expected to have a preference, since nothing says how much these differ; one rating each is enough for any number.

    How much raters differ from each other is not in it: it cannot be known before. With ``FEWEST_CLUSTERS`` raters or
    more the report measures it (``crossed_proportion``), and its interval is wider even if they do not differ, since
    few raters cannot show that: the width is then the mean of what the report gives, over the chi-square distribution
    that the spread of raters' means has without differences.

    Args:
        wins: expected share of wins.
        ties: expected share of comparisons without a preference.
        per_case: comparisons of one case.
        correlation: of the preferences within a case.
        raters: number of raters.
        overlap: comparisons that all raters make.
    """

    wins: float = 0.5
    ties: float = 0.25
    per_case: float = 1.0
    correlation: float = 0.3
    raters: int = 1
    overlap: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (("wins", 0, 1), ("ties", 0, 0.99), ("correlation", 0, 1)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"--{name} {value:g}: must be between {low} and {high}")
        if not self.per_case >= 1:
            raise ValueError(f"--per-case {self.per_case:g}: must be 1 or more")

    def independent(self, comparisons: float) -> float:
        """The number of independent ratings with a preference that a number of comparisons is worth."""
        return comparisons * (1 - self.ties) / (1 + (self.per_case - 1) * self.correlation)

    def cases(self, comparisons: float) -> int:
        """The number of cases with a preference that is expected of a number of comparisons."""
        all_tied = math.pow(self.ties, self.per_case)
        return round(math.floor(comparisons / self.per_case) * (1 - all_tied))

    @property
    def fewest_cases(self) -> int:
        """The fewest cases with a preference that the report gives an interval for."""
        has_one_each = self.per_case == 1 and (self.raters == 1 or self.overlap == 0)
        return 1 if has_one_each else FEWEST_CLUSTERS

    def half_width(self, comparisons: float) -> float:
        """Half the width of the 95 % interval of the share of wins, on average over studies whose raters are alike.

        NaN where the report gives no interval.
        """
        from scipy.stats import norm

        cases = self.cases(comparisons)
        if cases < self.fewest_cases:
            return math.nan
        count = self.independent(comparisons)
        if min(self.raters, cases) < FEWEST_CLUSTERS:
            ends = wilson_ends(self.wins, count, float(norm.ppf(0.975)))
        else:
            ends = self._crossed_ends(count, comparisons * (1 - self.ties), cases)
        return (ends[1] - ends[0]) / 2

    def _crossed_ends(self, count: float, ratings: float, cases: int) -> tuple[float, float]:
        """Means of the ends of the interval that allows for differences between raters.

        Variances are in units of the share's variance p (1 - p): 1 / count by case, 1 / ratings by both case and rater,
        and by rater this times a chi-square over its degrees of freedom.
        """
        from scipy.stats import chi2, t

        by_case, shared = 1 / count, 1 / ratings
        spread = chi2.ppf((np.arange(_DRAWS) + 0.5) / _DRAWS, self.raters - 1) / (self.raters - 1)
        ends = []
        for by_rater in (spread * shared).tolist():
            variance = max(by_case + by_rater - shared, by_case, by_rater)
            freedom = crossed_freedom((by_case, by_rater), (cases, self.raters), variance)
            ends.append(wilson_ends(self.wins, min(1 / variance, ratings), float(t.ppf(0.975, freedom))))
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
        """Probability that the two-sided exact binomial test finds the share of wins to differ from a half."""
        from scipy.stats import binom

        count = math.floor(self.independent(comparisons))
        wins = np.arange(count + 1)
        p_values = np.minimum(1.0, 2 * binom.cdf(np.minimum(wins, count - wins), count, 0.5))
        return float(binom.pmf(wins, count, self.wins)[p_values <= LEVEL].sum())
